package pullsecrets

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// tokenLife is the shortest that an API server gives, in seconds.
const tokenLife = 600

// Login is what a service account pulls with.
type Login struct {
	Username, Password string
	ExpiresIn          time.Duration
}

// logins are those of a service account, by registry. Life is that of the one which ends first.
type logins struct {
	by   map[string]Login
	life time.Duration
}

// entries are the auths of a dockerconfigjson.
func (l logins) entries() map[string]any {
	all := make(map[string]any, len(l.by))
	for registry, login := range l.by {
		all[registry] = map[string]string{
			"username": login.Username, "password": login.Password, "auth": base64.StdEncoding.EncodeToString([]byte(login.Username + ":" + login.Password)),
		}
	}
	return all
}

// errShort is returned for a login that would have to be replaced at once.
var errShort = errors.New("that is too short for a pull secret: give the binding a longer --session")

// logIn gets a login for each registry. Of several that are not all to be had, none is left.
func (c *Controller) logIn(ctx context.Context, a *v1.ServiceAccount) (l logins, err error) {
	tokens := make(map[string]string) // by audience
	l.by = make(map[string]Login, len(c.options.Registries))
	defer func() {
		if err != nil {
			c.revoke(ctx, cache.MetaObjectToName(a), l)
		}
	}()
	for _, registry := range c.options.Registries {
		audience := cmp.Or(c.options.Audience, "https://"+registry)
		if tokens[audience] == "" {
			token, err := c.tokenOf(ctx, a, audience)
			if err != nil {
				return l, err
			}
			tokens[audience] = token
		}
		got, err := c.options.Exchange(ctx, registry, tokens[audience], a.Annotations[RobotAnnotation])
		if err != nil {
			return l, fmt.Errorf("exchange the token for %s: %w", registry, err)
		}
		l.by[registry] = got
		if got.ExpiresIn < soonest {
			return l, fmt.Errorf("the login for %s lasts for %s: %w", registry, got.ExpiresIn, errShort)
		}
		if l.life == 0 || got.ExpiresIn < l.life {
			l.life = got.ExpiresIn
		}
	}
	return l, nil
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

// revoke ends logins of a service account that came to nothing, or that nobody is to have any more. One that cannot be ended ends by itself,
// and keeps no other one from being ended.
func (c *Controller) revoke(ctx context.Context, name cache.ObjectName, l logins) {
	if c.options.Revoke == nil {
		return
	}
	for _, registry := range c.options.Registries {
		login, ok := l.by[registry]
		if !ok {
			continue
		}
		if err := c.revokeAt(ctx, registry, login); err != nil {
			c.options.Metrics.Unrevoked.Inc()
			c.options.Logger.Warn("a login was not ended, and ends by itself", "namespace", name.Namespace, "service_account", name.Name,
				"registry", registry, "error", err)
		}
	}
}

// revokeAt ends a login, also of a controller that ends.
func (c *Controller) revokeAt(ctx context.Context, registry string, login Login) error {
	const patience = 5 * time.Second
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer stop()
	return c.options.Revoke(ctx, registry, login.Password)
}
