package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/dockit-registry/dockit/kubernetes/internal/cluster"
)

// mountedToken is where a pod has the token that dockit login takes.
const mountedToken = "/var/run/secrets/dockit/token" //nolint:gosec // a path

// checkToken gets a token of the service account: a new one, or the one of this pod where that is a pod of the same service account.
func (c *command) checkToken(ctx context.Context, r *report, kube kubernetes.Interface) string {
	if issuer, err := cluster.Discover(ctx, kube); err != nil {
		r.unknown("the issuer: %v", err)
	} else {
		r.good("the issuer is %s", issuer.URL)
	}
	return c.token(ctx, r, kube, mountedToken)
}

func (c *command) token(ctx context.Context, r *report, kube kubernetes.Interface, mounted string) string {
	token, err := tokenOf(ctx, kube, c.namespace, c.account, c.audience)
	if err == nil {
		r.good("a token of the service account %s/%s for %s", c.namespace, c.account, c.audience)
		return token
	}
	if content, unread := os.ReadFile(mounted); unread == nil {
		token = strings.TrimSpace(string(content))
		switch subject, unread := subjectOf(token); {
		case unread != nil:
			r.unknown("whose token this pod has at %s: %v", mounted, unread)
		case subject == "system:serviceaccount:"+c.namespace+":"+c.account:
			r.good("the token of this pod, at %s", mounted)
			return token
		default:
			r.unknown("what the token of this pod is good for: it is of %s, and you asked for the service account %s/%s", subject, c.namespace, c.account)
		}
	}
	r.missing(fmt.Sprintf("kubectl create serviceaccount -n %s %s     # or the right to create serviceaccounts/token, for this command alone", c.namespace, c.account),
		"a token of the service account %s/%s: %v", c.namespace, c.account, err)
	return ""
}

func tokenOf(ctx context.Context, kube kubernetes.Interface, namespace, account, audience string) (string, error) {
	seconds := int64(600)
	got, err := kube.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}, ExpirationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return got.Status.Token, nil
}

// errNoToken is returned for what is no JWT. No error holds any of it.
var errNoToken = errors.New("it is no token")

// subjectOf is whose token one says it is. Its signature is for Dockit to check.
func subjectOf(token string) (string, error) {
	var claims struct {
		Subject string `json:"sub"`
	}
	if err := readClaims(token, &claims); err != nil || claims.Subject == "" {
		return "", errNoToken
	}
	return claims.Subject, nil
}

// readClaims reads what a JWT says.
func readClaims(token string, claims any) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errNoToken
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return errNoToken
	}
	return json.Unmarshal(payload, claims)
}
