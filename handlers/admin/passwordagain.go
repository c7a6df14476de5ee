package admin

import (
	"context"
	"net/http"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

// passwordAgain asks a person at the page for the password once more, unless it was
// given a moment ago: for making an admin, for keys, and for the credentials of
// others. Whoever finds a browser signed in gets none of these.
func (a *API) passwordAgain(ctx context.Context) error {
	if !callerOf(ctx).PasswordIsOld(a.config.Store.Now()) {
		return nil
	}
	return problem(http.StatusUnauthorized, adminapi.CodePasswordAgain, "that takes the password once more: give yours again")
}

// passwordAgainFor is passwordAgain for what belongs to somebody else.
func (a *API) passwordAgainFor(ctx context.Context, owner subject.Ref) error {
	if callerOf(ctx).Ref == owner {
		return nil
	}
	return a.passwordAgain(ctx)
}
