package auth

import "context"

type principalKey struct{}

// WithPrincipal returns a context for a request that this process itself makes for
// an authenticated user, such as the page to the admin API. Nothing that
// comes over the network leads to one.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf is who a request within the process is made for.
func PrincipalOf(ctx context.Context) (Principal, bool) {
	p, found := ctx.Value(principalKey{}).(Principal)
	return p, found
}
