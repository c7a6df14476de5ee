package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/dockit-registry/dockit/kubernetes/internal/pullsecrets"
)

// checkAccount looks at the service account: which robot it chooses, and whether a pull secret is kept for it, so that its pulls need no kubelet
// that runs the plugin.
func (c *command) checkAccount(ctx context.Context, r *report, kube kubernetes.Interface) (robot string, kept bool) {
	a, err := kube.CoreV1().ServiceAccounts(c.namespace).Get(ctx, c.account, metav1.GetOptions{})
	if err != nil {
		r.unknown("the robot and the pull secret of the service account %s/%s: %v", c.namespace, c.account, err)
		return "", false
	}
	if robot = strings.TrimPrefix(a.Annotations[pullsecrets.RobotAnnotation], "robot:"); robot != "" {
		r.good("the service account chooses robot:%s", robot)
	}
	secret, renew, ok := pullsecrets.Of(a)
	const late = 5 * time.Minute
	switch {
	case !ok && c.asks(ctx, kube, a):
		r.missing("helm upgrade … --set pullSecrets.enabled=true, and its name in pullSecrets.serviceAccounts; else the log of the controller says why",
			"the pull secret that the label %s of the service account, or of its namespace, asks for", pullsecrets.Label)
		return robot, true
	case !ok:
		return robot, false
	case time.Since(renew) > late:
		r.missing("kubectl -n NAMESPACE logs -l app.kubernetes.io/component=pull-secrets --prefix --tail=-1     # of each replica of the controller", "a new login in the secret %s, which was due at %s", secret, renew.UTC().Format(time.RFC3339))
	default:
		c.checkSecret(ctx, r, kube, secret, renew)
	}
	return robot, true
}

// checkSecret looks whether the secret is there that the service account names: annotations alone stay when it is removed.
func (c *command) checkSecret(ctx context.Context, r *report, kube kubernetes.Interface, secret string, renew time.Time) {
	_, err := kube.CoreV1().Secrets(c.namespace).Get(ctx, secret, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		r.missing(fmt.Sprintf("kubectl -n %s annotate serviceaccount %s %s=%s --overwrite     # the controller makes another one at once",
			c.namespace, c.account, pullsecrets.RenewAnnotation, pullsecrets.RenewNow),
			"the secret %s of the service account: somebody removed it", secret)
	case err != nil:
		r.unknown("whether the secret %s is there, which the service account says it has: %v", secret, err)
	default:
		r.good("the secret %s is kept for the service account, with a login until after %s; no kubelet has to run the plugin",
			secret, renew.UTC().Format(time.RFC3339))
	}
}

// asks reports whether a label asks for a pull secret. Of a namespace that cannot be read, nothing is known.
func (c *command) asks(ctx context.Context, kube kubernetes.Interface, a *v1.ServiceAccount) bool {
	if own, labelled := a.Labels[pullsecrets.Label]; labelled {
		return own == "true"
	}
	if c.account != "default" {
		return false
	}
	n, err := kube.CoreV1().Namespaces().Get(ctx, c.namespace, metav1.GetOptions{})
	return err == nil && n.Labels[pullsecrets.Label] == "true"
}
