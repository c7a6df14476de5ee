package auth

import (
	"context"
	"net/netip"

	"github.com/dockit-registry/dockit/internal/printable"
)

// Origin is where a request comes from.
type Origin struct {
	// Address is that of the client, zero when it is unknown.
	Address netip.Addr
	// Client is the program, as it calls itself.
	Client string
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

// network is the address prefix by which guesses are counted: an IPv4 address,
// or the 64 bits of IPv6 that one customer commonly has.
func (o Origin) network() string { return o.prefix(32, 64) }

// customer is the address prefix that one customer has at most, as a rule.
func (o Origin) customer() string { return o.prefix(24, 48) }

// prefix is the network of the address, of so many bits.
func (o Origin) prefix(v4, v6 int) string {
	if !o.Address.IsValid() {
		return ""
	}
	bits := v4
	if o.Address.Is6() {
		bits = v6
	}
	prefix, err := o.Address.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}

// Network is the address prefix by which guesses and refusals are counted, empty
// when the address is unknown.
func (o Origin) Network() string { return o.network() }

// address is the address for listings.
func (o Origin) address() string {
	if !o.Address.IsValid() {
		return ""
	}
	return o.Address.String()
}
