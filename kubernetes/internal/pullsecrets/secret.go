package pullsecrets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1 "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/retry"
)

const (
	// manager is who a field belongs to, and managedLabel whose secrets are whose.
	manager      = "dockit-kubernetes"
	managedLabel = "app.kubernetes.io/managed-by"
)

// secretName is the name of the secret of a service account. One that would be too long is cut, and ends with a hash of the whole name.
func secretName(account string) string {
	const most, digits = 253, 16
	name := "dockit-pull-" + account
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(account))
	return strings.TrimRight(name[:most-digits-1], ".-") + "-" + hex.EncodeToString(sum[:])[:digits]
}

// purpose is what a secret is for: another one once the service account chooses another robot, registries are added, or another Dockit gives
// the logins.
func (c *Controller) purpose(a *v1.ServiceAccount) string {
	return c.purposeFor(a.Annotations[RobotAnnotation])
}

func (c *Controller) purposeFor(robot string) string {
	const digits = 16
	content := strings.Join(append([]string{c.options.Server, c.options.Service, c.options.Audience, robot}, c.options.Registries...), "\x00")
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])[:digits]
}

// complete reports whether a service account has what was made for it.
func (c *Controller) complete(a *v1.ServiceAccount) bool {
	name := secretName(a.Name)
	return a.Annotations[madeAnnotation] == name && a.Annotations[forAnnotation] == c.purpose(a) &&
		slices.ContainsFunc(a.ImagePullSecrets, func(r v1.LocalObjectReference) bool { return r.Name == name })
}

// errForeign is returned for a secret that another client made.
var errForeign = errors.New("it was not made here for this service account, and stays: give it another name, or take the label away")

// secretOf is the secret that was made for a service account, or nil. Error: errForeign.
func (c *Controller) secretOf(ctx context.Context, a *v1.ServiceAccount) (*v1.Secret, error) {
	name := secretName(a.Name)
	found, err := c.options.Client.CoreV1().Secrets(a.Namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // there is none, which is no error
	case err != nil:
		return nil, fmt.Errorf("look at the secret %s: %w", name, err)
	case found.Type != v1.SecretTypeDockerConfigJson || found.Labels[managedLabel] != manager || !slices.ContainsFunc(found.OwnerReferences, isAccount(a.Name)):
		return nil, fmt.Errorf("the secret %s: %w", name, errForeign)
	}
	return found, nil
}

// isAccount reports whether an owner is a service account of a name. One that was removed and made again has the secret of the one before.
func isAccount(name string) func(metav1.OwnerReference) bool {
	return func(o metav1.OwnerReference) bool {
		return o.APIVersion == "v1" && o.Kind == "ServiceAccount" && o.Name == name
	}
}

// provide has a service account have a login that is fresh, and says when to look again.
func (c *Controller) provide(ctx context.Context, a *v1.ServiceAccount) (time.Duration, error) {
	name, purpose := cache.MetaObjectToName(a), c.purpose(a)
	current, err := c.secretOf(ctx, a)
	if err != nil {
		return 0, err
	}
	scheduled := false
	if current != nil {
		after, fresh := c.fresh(current.Annotations)
		owned := slices.ContainsFunc(current.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == a.UID })
		if fresh && owned && current.Annotations[forAnnotation] == purpose && a.Annotations[RenewAnnotation] != RenewNow {
			// Another client took back what was written to the service account, or the replica that worked ended before it wrote that.
			if err := c.mark(ctx, a, marks(a, current.Annotations[RenewAnnotation], purpose), true); err != nil {
				return 0, err
			}
			c.pace.pause(name)
			return after, nil
		}
		scheduled = !fresh
	}
	renew, after, err := c.renew(ctx, a, current)
	if err != nil {
		return 0, err
	}
	if current != nil && !scheduled {
		// Of another robot, of another service account of that name, or somebody asked for a new one: the old one is good no longer. One whose
		// time has come ends by itself soon, and a pull that began with it may go on. Before the service account is changed: once that fails,
		// nobody knows the old one any more.
		c.revoke(ctx, name, c.loginsIn(current))
	}
	if err := c.mark(ctx, a, marks(a, renew, purpose), true); err != nil {
		return 0, err
	}
	c.options.Metrics.Renewals.Inc()
	if c.pace.pause(name); scheduled {
		c.pace.forget(name)
	}
	return after, nil
}

func marks(a *v1.ServiceAccount, renew, purpose string) map[string]any {
	return map[string]any{madeAnnotation: secretName(a.Name), RenewAnnotation: renew, forAnnotation: purpose}
}

// renew gets new logins, and puts them into the secret: into the one that was looked at, or into a new one. They are to be replaced at a time
// (RFC 3339), which comes after a while.
func (c *Controller) renew(ctx context.Context, a *v1.ServiceAccount, current *v1.Secret) (renew string, after time.Duration, err error) {
	got, err := c.logIn(ctx, a)
	if err != nil {
		return "", 0, err
	}
	after = renewAfter(got.life)
	renew, purpose := c.options.Now().Add(after).UTC().Format(time.RFC3339), c.purpose(a)
	content, err := json.Marshal(map[string]any{"auths": got.entries()})
	if err != nil {
		return "", 0, err
	}
	secret := corev1.Secret(secretName(a.Name), a.Namespace).
		WithLabels(map[string]string{managedLabel: manager}).
		WithAnnotations(map[string]string{RenewAnnotation: renew, forAnnotation: purpose}).
		WithOwnerReferences(metaac.OwnerReference().WithAPIVersion("v1").WithKind("ServiceAccount").WithName(a.Name).WithUID(a.UID)).
		WithType(v1.SecretTypeDockerConfigJson).
		WithData(map[string][]byte{v1.DockerConfigJsonKey: content})
	// Not by force, unless it is the one that was made here: what another client made meanwhile stays, and so does what another replica wrote.
	options := metav1.ApplyOptions{FieldManager: manager, Force: current != nil}
	if current != nil {
		secret.WithResourceVersion(current.ResourceVersion)
	}
	if _, err := c.options.Client.CoreV1().Secrets(a.Namespace).Apply(ctx, secret, options); err != nil {
		if refused(err) {
			c.revoke(ctx, cache.MetaObjectToName(a), got)
		}
		return "", 0, fmt.Errorf("write the secret %s: %w", secretName(a.Name), err)
	}
	return renew, after, nil
}

// refused reports whether the API server has not done what it was asked for. After a timeout it may have.
func refused(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Code >= http.StatusBadRequest && status.Status().Code < http.StatusInternalServerError
}

// loginsIn are those of a secret that was made here. There are none of one that was made for other registries, or by another Dockit: it would
// hear a password that is not its own.
func (c *Controller) loginsIn(secret *v1.Secret) logins {
	var content struct {
		Auths map[string]struct{ Username, Password string } `json:"auths"`
	}
	if json.Unmarshal(secret.Data[v1.DockerConfigJsonKey], &content) != nil {
		return logins{}
	}
	found := logins{by: map[string]Login{}}
	for _, registry := range c.options.Registries {
		login := content.Auths[registry]
		// Who it is for says which robot the service account chose, if it chose one.
		robots := []string{"", login.Username, "robot:" + login.Username}
		made := slices.ContainsFunc(robots, func(robot string) bool { return c.purposeFor(robot) == secret.Annotations[forAnnotation] })
		if login.Password != "" && made {
			found.by[registry] = Login{Username: login.Username, Password: login.Password}
		}
	}
	return found
}

// mark changes annotations of a service account, and has it name its secret or not. What others
// wrote there stays: a patch replaces the whole of imagePullSecrets, so it is made of what was
// read, and counts only if that is what it changes.
func (c *Controller) mark(ctx context.Context, a *v1.ServiceAccount, annotations map[string]any, named bool) error {
	accounts, own := c.options.Client.CoreV1().ServiceAccounts(a.Namespace), v1.LocalObjectReference{Name: secretName(a.Name)}
	now := a
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if now == nil {
			var err error
			if now, err = accounts.Get(ctx, a.Name, metav1.GetOptions{}); err != nil {
				return err
			}
		}
		secrets := slices.DeleteFunc(slices.Clone(now.ImagePullSecrets), func(r v1.LocalObjectReference) bool { return r == own })
		if named {
			secrets = append(secrets, own)
		}
		content, err := json.Marshal(map[string]any{
			"metadata":         map[string]any{"uid": a.UID, "resourceVersion": now.ResourceVersion, "annotations": annotations},
			"imagePullSecrets": secrets,
		})
		now = nil // another try reads it again
		if err != nil {
			return err
		}
		_, err = accounts.Patch(ctx, a.Name, types.MergePatchType, content, metav1.PatchOptions{FieldManager: manager})
		return err
	})
	if err != nil {
		return fmt.Errorf("change the service account: %w", err)
	}
	return nil
}

// remove takes back what was made for a service account. A secret that another client made stays, whatever the service account says of it.
func (c *Controller) remove(ctx context.Context, a *v1.ServiceAccount) error {
	name := secretName(a.Name)
	current, err := c.secretOf(ctx, a)
	switch {
	case errors.Is(err, errForeign):
		c.options.Logger.Warn("a secret stays", "namespace", a.Namespace, "service_account", a.Name, "error", err)
	case err != nil:
		return err
	case current == nil:
		// Somebody removed it, or the answer to an attempt before this one was lost.
		c.options.Logger.Warn("the secret is gone, and a login in it ends by itself", "namespace", a.Namespace, "service_account", a.Name)
	default:
		err := c.options.Client.CoreV1().Secrets(a.Namespace).Delete(ctx, name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &current.UID, ResourceVersion: &current.ResourceVersion},
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("remove the secret %s: %w", name, err)
		}
		c.revoke(ctx, cache.MetaObjectToName(a), c.loginsIn(current))
	}
	if err := c.mark(ctx, a, map[string]any{madeAnnotation: nil, RenewAnnotation: nil, forAnnotation: nil}, false); err != nil {
		return err
	}
	c.options.Metrics.Removals.Inc()
	return nil
}
