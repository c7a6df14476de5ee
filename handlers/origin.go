package handlers

import (
	"net/http"
	"net/netip"

	"github.com/dockit-registry/dockit/internal/auth"
)

// clientIP is the address that a request came from, zero when it is unknown.
func clientIP(r *http.Request) netip.Addr { return auth.OriginOf(r.Context()).Address }

// fromClient returns the request as one of a program that calls itself so.
func fromClient(r *http.Request, client string) *http.Request {
	return r.WithContext(auth.WithOrigin(r.Context(), auth.Origin{Address: clientIP(r), Client: client}))
}
