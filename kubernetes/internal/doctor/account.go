package doctor

import (
	"context"
	"strings"
	"time"

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
	case !ok && a.Labels[pullsecrets.Label] == "true":
		r.missing("helm upgrade … --set pullSecrets.enabled=true, and its name in pullSecrets.serviceAccounts; else the log of the controller says why",
			"the pull secret that the label of the service account asks for")
		return robot, true
	case !ok:
		return robot, false
	case time.Since(renew) > late:
		r.missing("look at the log of the controller, deployment/…-pull-secrets", "a new login in the secret %s, which was due at %s", secret, renew.UTC().Format(time.RFC3339))
	default:
		r.good("the secret %s is kept for the service account, with a login until after %s; no kubelet has to run the plugin", secret, renew.UTC().Format(time.RFC3339))
	}
	return robot, true
}
