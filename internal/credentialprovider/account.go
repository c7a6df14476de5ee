package credentialprovider

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
)

// maxToken is the longest token that Dockit takes, in bytes.
const maxToken = 24_576

// errToken is returned for what is no token of a service account.
var errToken = errors.New("what the kubelet passes as serviceAccountToken is no token of a service account")

// account is what a token says of itself. Its signature is not checked: the kubelet
// had it from the API server.
type account struct {
	issuer, subject, uid string
	audience             string
	expires              time.Time
}

func (a account) String() string {
	name := strings.TrimPrefix(a.subject, "system:serviceaccount:")
	return "service account " + printable.Line(printable.Clip(name)) + " (issuer " + printable.Line(printable.Clip(a.issuer)) +
		", audience " + printable.Line(printable.Clip(a.audience)) + ")"
}

// isFor reports whether the token is good at the Dockit of a registry by its name.
func (a account) isFor(host string) bool {
	return slices.ContainsFunc(strings.Split(a.audience, ", "), func(audience string) bool { return audience == host || audience == "https://"+host })
}

// accountOf reads a token. No error holds any of it.
func accountOf(token string) (account, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return account{}, errToken
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		return account{}, errToken
	}
	var claims struct {
		Issuer     string          `json:"iss"`
		Subject    string          `json:"sub"`
		Audience   json.RawMessage `json:"aud"`
		Expires    float64         `json:"exp"`
		Kubernetes struct {
			ServiceAccount struct {
				UID string `json:"uid"`
			} `json:"serviceaccount"`
		} `json:"kubernetes.io"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Issuer == "" || claims.Subject == "" {
		return account{}, errToken
	}
	a := account{issuer: claims.Issuer, subject: claims.Subject, uid: claims.Kubernetes.ServiceAccount.UID}
	var several []string
	if json.Unmarshal(claims.Audience, &a.audience) != nil && json.Unmarshal(claims.Audience, &several) == nil {
		a.audience = strings.Join(several, ", ")
	}
	const farthest = 1 << 40 // seconds: what is beyond is nonsense
	if claims.Expires > 0 && claims.Expires < farthest {
		a.expires = time.Unix(int64(claims.Expires), 0)
	}
	return a, nil
}
