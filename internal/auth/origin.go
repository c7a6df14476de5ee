package auth

import (
	"context"
	"net/netip"

	"github.com/dockit-registry/dockit/internal/auth/passwords"
	"github.com/dockit-registry/dockit/internal/printable"
)

// Origin is where a request comes from.
type Origin struct {
	// Address is that of the client, zero when it is unknown.
	Address netip.Addr
	// Client is the program, as it calls itself.
	Client string
	// Encrypted reports whether everything came over TLS, as far as proxies say that
	// are trusted.
	Encrypted bool
}

type originKey struct{}

// maxClient is how much of what a program calls itself is kept, in bytes.
const maxClient = 100

// WithOrigin returns a context for the requests of an origin.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	o.Address = o.Address.Unmap().WithZone("")
	o.Client = clientName(o.Client)
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns the origin of a context, which is zero without one.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// clientName keeps what a client sent from doing anything to a terminal, and
// short.
func clientName(s string) string {
	return printable.Strip(s[:min(len(s), maxClient)])
}

// Network is the address prefix by which guesses and refusals are counted, empty
// when the address is unknown.
func (o Origin) Network() string { return passwords.Network(o.Address) }

// address is the address for listings.
func (o Origin) address() string {
	if !o.Address.IsValid() {
		return ""
	}
	return o.Address.String()
}
