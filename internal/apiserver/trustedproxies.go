package apiserver

import (
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const (
	// privateRanges stands for the private networks, as it does for Caddy.
	privateRanges = "private_ranges"
	// unixPeers stands for the processes that may connect to a Unix socket.
	unixPeers = "unix"
)

// checkTrustedProxies refuses what names no proxies, and who would trust
// everybody.
func (o *Options) checkTrustedProxies() error {
	for _, value := range o.TrustedProxies {
		if value == privateRanges || value == unixPeers {
			continue
		}
		prefix, err := caddyhttp.CIDRExpressionToPrefix(value)
		switch {
		case err != nil:
			return fmt.Errorf("--trusted-proxies %q: write the address of a proxy, a network such as 10.0.0.0/8, %s, or %s for a Unix socket", value, privateRanges, unixPeers)
		case prefix.Bits() == 0:
			return fmt.Errorf("--trusted-proxies %s is everybody: each client could choose the address that it comes from; name your proxies", value)
		case prefix.Addr().Is4In6() || prefix.Addr().Zone() != "":
			return fmt.Errorf("--trusted-proxies %s: write it as a plain IPv4 or IPv6 address or network", value)
		}
	}
	return nil
}

// trustProxies makes a server believe what the named proxies say of their
// clients. Of several addresses the last one that is no such proxy counts: what
// stands before it the client may have written itself.
func (o *Options) trustProxies(server *caddyhttp.Server) {
	var ranges []string
	for _, value := range o.TrustedProxies {
		switch value {
		case unixPeers:
			server.TrustedProxiesUnix = true
		case privateRanges:
			ranges = append(ranges, caddyhttp.PrivateRangesCIDR()...)
		default:
			ranges = append(ranges, value)
		}
	}
	server.TrustedProxiesStrict = 1
	if len(ranges) > 0 {
		slices.Sort(ranges)
		source := caddyhttp.StaticIPRange{Ranges: slices.Compact(ranges)}
		server.TrustedProxiesRaw = caddyconfig.JSONModuleObject(source, "source", "static", nil)
	}
}
