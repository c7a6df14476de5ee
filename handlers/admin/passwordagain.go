package admin

import (
	"context"
	"net/http"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

// passwordAgain asks a person at the page for the password once more, unless it was
// given a moment ago: for making an admin, for keys, and for the credentials of
// others, which the password of a new user is. A stranger at a browser that is signed in gets none of these.
func (a *API) passwordAgain(ctx context.Context) error {
	if !callerOf(ctx).PasswordIsOld(a.config.Store.Now()) {
		return nil
	}
	return problem(http.StatusUnauthorized, adminapi.CodePasswordAgain, "that takes the password once more: give yours again")
}

// passwordAgainForSecret is passwordAgainFor a token whose secret is shown: one of an
// admin without scopes opens the admin API, where nothing is asked again.
func (a *API) passwordAgainForSecret(ctx context.Context, owner subject.Ref, scopes []access.Permission) error {
	if c := callerOf(ctx); c.Ref == owner && (!c.Admin || len(scopes) > 0) {
		return nil
	}
	return a.passwordAgain(ctx)
}

// passwordAgainFor is passwordAgain for what belongs to another user.
func (a *API) passwordAgainFor(ctx context.Context, owner subject.Ref) error {
	if callerOf(ctx).Ref == owner {
		return nil
	}
	return a.passwordAgain(ctx)
}
