package auth

import (
	"context"

	"github.com/dockit-registry/dockit/subject"
)

// Attempt is what an [Authenticator] found out about credentials, right or
// wrong. It is for the log of the administrator: the client must not learn it.
type Attempt struct {
	// Subject is whom the credentials name. It is zero for an unknown name, which
	// may be a password that was typed into the wrong field.
	Subject subject.Ref
	// TokenID is the id of the access token or refresh token.
	TokenID string
	// Issuer and Binding are those of a token of an issuer: of one that was refused,
	// the binding that came closest. Job says which job or workload it is of:
	// NAME=VALUE.
	Issuer, Binding string
	Job             []string
	// Fault says what is wrong with credentials that were refused. It is empty
	// when they were not looked at, as those of a [ThrottledError].
	Fault string
}

type attemptKey struct{}

// WithAttempt returns a context whose next authentication fills in the attempt.
func WithAttempt(ctx context.Context, a *Attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// attemptOf returns the attempt of a context, or one that is not read.
func attemptOf(ctx context.Context) *Attempt {
	if a, ok := ctx.Value(attemptKey{}).(*Attempt); ok {
		return a
	}
	return new(Attempt)
}
