package auth

import "context"

type observerKey struct{}

// WithObserver returns a context whose successful authentications are passed to
// observe, such as for the access log of a server.
func WithObserver(ctx context.Context, observe func(Principal)) context.Context {
	return context.WithValue(ctx, observerKey{}, observe)
}

func observed(ctx context.Context, p Principal) Principal {
	if observe, ok := ctx.Value(observerKey{}).(func(Principal)); ok {
		observe(p)
	}
	return p
}
