package pullsecrets

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1 "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/util/retry"
)

const (
	// manager is who a field belongs to.
	manager = "dockit-kubernetes"
	// tokenLife is the shortest that an API server gives, in seconds.
	tokenLife = 600
)

// secretName is the name of the secret of a service account.
func secretName(account string) string {
	const longest = 253
	name := "dockit-pull-" + account
	return name[:min(len(name), longest)]
}

// complete reports whether a service account has what was made for it.
func (c *Controller) complete(a *v1.ServiceAccount) bool {
	name := secretName(a.Name)
	return a.Annotations[madeAnnotation] == name && slices.ContainsFunc(a.ImagePullSecrets, func(r v1.LocalObjectReference) bool { return r.Name == name })
}

// tokenOf asks the API server for a token of a service account.
func (c *Controller) tokenOf(ctx context.Context, a *v1.ServiceAccount, audience string) (string, error) {
	seconds := int64(tokenLife)
	request := &authenticationv1.TokenRequest{
		ObjectMeta: metav1.ObjectMeta{UID: a.UID},
		Spec:       authenticationv1.TokenRequestSpec{Audiences: []string{audience}, ExpirationSeconds: &seconds},
	}
	token, err := c.options.Client.CoreV1().ServiceAccounts(a.Namespace).CreateToken(ctx, a.Name, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("ask for a token for %s: %w", audience, err)
	}
	return token.Status.Token, nil
}

// renew gets new logins, and puts them into the secret.
func (c *Controller) renew(ctx context.Context, a *v1.ServiceAccount) (time.Duration, error) {
	tokens := make(map[string]string) // by audience
	logins, life := make(map[string]any, len(c.options.Registries)), time.Duration(0)
	for _, registry := range c.options.Registries {
		audience := cmp.Or(c.options.Audience, "https://"+registry)
		if tokens[audience] == "" {
			token, err := c.tokenOf(ctx, a, audience)
			if err != nil {
				return 0, err
			}
			tokens[audience] = token
		}
		got, err := c.options.Exchange(ctx, registry, tokens[audience], a.Annotations[robotAnnotation])
		if err != nil {
			return 0, fmt.Errorf("exchange the token for %s: %w", registry, err)
		}
		if life == 0 || got.ExpiresIn < life {
			life = got.ExpiresIn
		}
		logins[registry] = map[string]string{
			"username": got.Username, "password": got.Password, "auth": base64.StdEncoding.EncodeToString([]byte(got.Username + ":" + got.Password)),
		}
	}
	content, err := json.Marshal(map[string]any{"auths": logins})
	if err != nil {
		return 0, err
	}
	// Not by force: a secret of that name which is somebody else's stays.
	secret := corev1.Secret(secretName(a.Name), a.Namespace).
		WithLabels(map[string]string{"app.kubernetes.io/managed-by": manager}).
		WithOwnerReferences(metaac.OwnerReference().WithAPIVersion("v1").WithKind("ServiceAccount").WithName(a.Name).WithUID(a.UID)).
		WithType(v1.SecretTypeDockerConfigJson).
		WithData(map[string][]byte{v1.DockerConfigJsonKey: content})
	if _, err := c.options.Client.CoreV1().Secrets(a.Namespace).Apply(ctx, secret, metav1.ApplyOptions{FieldManager: manager}); err != nil {
		return 0, fmt.Errorf("write the secret %s: %w", secretName(a.Name), err)
	}
	after := renewAfter(life)
	return after, c.mark(ctx, a, map[string]any{madeAnnotation: secretName(a.Name), renewAnnotation: c.options.Now().Add(after).UTC().Format(time.RFC3339)}, true)
}

// mark changes annotations of a service account, and has it name its secret or not. What others
// wrote there stays: a patch replaces the whole of imagePullSecrets, so it is made of what was
// read, and counts only if that is what it changes.
func (c *Controller) mark(ctx context.Context, a *v1.ServiceAccount, annotations map[string]any, named bool) error {
	accounts, own := c.options.Client.CoreV1().ServiceAccounts(a.Namespace), v1.LocalObjectReference{Name: secretName(a.Name)}
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		now, err := accounts.Get(ctx, a.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		secrets := slices.DeleteFunc(slices.Clone(now.ImagePullSecrets), func(r v1.LocalObjectReference) bool { return r == own })
		if named {
			secrets = append(secrets, own)
		}
		content, err := json.Marshal(map[string]any{
			"metadata":         map[string]any{"uid": a.UID, "resourceVersion": now.ResourceVersion, "annotations": annotations},
			"imagePullSecrets": secrets,
		})
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

// remove takes back what was made for a service account.
func (c *Controller) remove(ctx context.Context, a *v1.ServiceAccount) error {
	name := secretName(a.Name)
	err := c.options.Client.CoreV1().Secrets(a.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove the secret %s: %w", name, err)
	}
	if err := c.mark(ctx, a, map[string]any{madeAnnotation: nil, renewAnnotation: nil}, false); err != nil {
		return err
	}
	c.options.Metrics.Removals.Inc()
	return nil
}
