package auth

import (
	"context"

	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// Attempt is what an [Authenticator] found out about credentials, right or
// wrong. It is for the log of whoever runs the registry: who asks must not
// learn it.
type Attempt struct {
	// Subject is who is named by the credentials. It is zero when nobody is:
	// such a name may be a password that was typed into the wrong field.
	Subject subject.Ref
	// TokenID is the id of the access token or refresh token.
	TokenID string
	// Fault says what is wrong with credentials that were refused. It is empty
	// when they were not looked at, as those of a [ThrottledError].
	Fault string
}

type attemptKey struct{}

// WithAttempt returns a context whose next authentication fills in the attempt.
func WithAttempt(ctx context.Context, a *Attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// attemptOf returns the attempt of a context, or one that nobody reads.
func attemptOf(ctx context.Context) *Attempt {
	if a, ok := ctx.Value(attemptKey{}).(*Attempt); ok {
		return a
	}
	return new(Attempt)
}

// passwordFault says why a password was refused that was checked.
func passwordFault(login store.Login) string {
	switch {
	case login.ID == 0:
		return "nobody has this name"
	case login.Disabled:
		return "the subject is disabled"
	case login.PasswordHash == "" && login.PasswordMadeBy != "":
		return "the password is not good here or any more: the token " + login.PasswordMadeBy + " set it, and limits it"
	case login.PasswordHash == "":
		return "the subject has no password, and this is no access token"
	default:
		return "wrong password"
	}
}
