package handlers

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/dockit-registry/dockit/internal/auth"
)

type clientIPKey struct{}

// WithClientIP returns a context for a request whose client has the address: a
// server that knows which proxies to trust says so by it. Without one, the
// client is the other end of the connection.
func WithClientIP(ctx context.Context, ip netip.Addr) context.Context {
	return context.WithValue(ctx, clientIPKey{}, ip)
}

func clientIP(r *http.Request) netip.Addr {
	if ip, ok := r.Context().Value(clientIPKey{}).(netip.Addr); ok {
		return ip
	}
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr()
}

// withOrigin hands package auth where each request comes from.
func withOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, fromClient(r, r.UserAgent()))
	})
}

// fromClient returns the request as one of a program that calls itself so.
func fromClient(r *http.Request, client string) *http.Request {
	return r.WithContext(auth.WithOrigin(r.Context(), auth.Origin{Address: clientIP(r), Client: client}))
}
