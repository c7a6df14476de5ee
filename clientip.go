package dockit

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/internal/auth"
)

// fromClient returns a context in which the handlers find where a request came
// from, as seen through trusted proxies.
func fromClient(ctx context.Context, r *http.Request) context.Context {
	return fromAddress(ctx, r, clientIP(r))
}

// fromPeer makes the other end of the connection the origin that the handlers
// see of a request: no proxy of the server was asked.
func fromPeer(r *http.Request) *http.Request {
	return r.WithContext(fromAddress(r.Context(), r, peerIP(r)))
}

// fromAddress makes an address the origin that the handlers see of a request.
// Without one, as over a Unix socket from a peer that is not trusted, none is
// made up.
func fromAddress(ctx context.Context, r *http.Request, address string) context.Context {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		ip = netip.Addr{}
	}
	return auth.WithOrigin(ctx, auth.Origin{Address: ip, Client: r.UserAgent(), Encrypted: encrypted(r)})
}

// encrypted reports whether a request came over TLS all the way, as seen through
// trusted proxies: one of these says so itself.
func encrypted(r *http.Request) bool {
	schemes := r.Header.Values("X-Forwarded-Proto")
	if !throughProxy(r) || len(schemes) == 0 {
		return r.TLS != nil
	}
	for scheme := range strings.SplitSeq(strings.Join(schemes, ","), ",") {
		if !strings.EqualFold(strings.TrimSpace(scheme), "https") {
			return false
		}
	}
	return true
}

// clientIP is where a request came from, as seen through the proxies that
// Caddy is configured to trust: behind those, the last address that is none of
// them; the first, when all are.
func clientIP(r *http.Request) string {
	chosen, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if server == nil || server.TrustedProxiesStrict == 0 || !throughProxy(r) {
		return chosen
	}
	// Caddy passes over what is no address, and stays with the proxy when each
	// address is one of a trusted network: people in it would count as one.
	for _, name := range server.ClientIPHeaders {
		values := r.Header.Values(name)
		if len(values) > 0 {
			return lastUntrusted(strings.Split(strings.Join(values, ","), ","), chosen, peerIP(r))
		}
	}
	return chosen
}

// lastUntrusted goes through what proxies wrote, from the last one on. Behind
// what is no address, a client that is not trusted may have written anything;
// the same holds for what Caddy passed over: whether it is trusted is unknown.
func lastUntrusted(entries []string, chosen, peer string) string {
	last := peer
	for _, entry := range slices.Backward(entries) {
		ip := addressOf(entry)
		switch {
		case ip == "":
			return last
		case !caddyReads(entry), ip == chosen && ip != peer:
			return ip
		}
		last = ip
	}
	return last
}

// addressOf reads an address, with a port or without.
func addressOf(entry string) string {
	entry = strings.TrimSpace(entry)
	if host, _, err := net.SplitHostPort(entry); err == nil {
		entry = host
	}
	ip, err := netip.ParseAddr(strings.Trim(entry, "[]"))
	if err != nil {
		return ""
	}
	return ip.WithZone("").String()
}

// caddyReads reports whether Caddy takes an entry for an address: it passes over
// IPv6 in brackets without a port, or with a port behind a space.
func caddyReads(entry string) bool {
	host, _, err := net.SplitHostPort(entry)
	if err != nil {
		host = entry
	}
	host, _, _ = strings.Cut(strings.TrimSpace(host), "%")
	_, err = netip.ParseAddr(host)
	return err == nil
}

// throughProxy reports whether the other end of the connection is a proxy that
// is trusted.
func throughProxy(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// peerIP is the other end of the connection; empty for a Unix socket.
func peerIP(r *http.Request) string { return addressOf(r.RemoteAddr) }

// proxyWarnings warn the operator, once each, of what is amiss with proxies.
type proxyWarnings struct {
	untrusted, spoofable sync.Once
}

func (p *proxyWarnings) check(r *http.Request, logger *zap.Logger) {
	if r.Header.Get("X-Forwarded-For") == "" {
		return
	}
	if throughProxy(r) {
		server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
		if server != nil && server.TrustedProxiesStrict == 0 {
			p.spoofable.Do(func() {
				logger.Warn("clients can choose the address that they come from: Caddy takes the first one in X-Forwarded-For; " +
					"add trusted_proxies_strict beside trusted_proxies, so that it takes the last one that is no trusted proxy")
			})
		}
		return
	}
	const hint = "everybody behind it counts as one address, for lockouts, the audit and the networks of tokens; if it is your proxy, name it with "
	ip, err := netip.ParseAddr(peerIP(r))
	switch {
	case err != nil:
		p.untrusted.Do(func() {
			logger.Warn("X-Forwarded-For over a Unix socket is ignored, because what is at its other end is not trusted: " + hint +
				"--trusted-proxies unix, or in a Caddyfile with trusted_proxies_unix and trusted_proxies_strict in `servers`")
		})
	case isNear(ip):
		p.untrusted.Do(func() {
			logger.Warn("X-Forwarded-For from an address that is no trusted proxy is ignored: "+hint+
				"--trusted-proxies, or in a Caddyfile with trusted_proxies and trusted_proxies_strict in `servers`", zap.Stringer("peer", ip))
		})
	}
}

// sharedAddresses are those of carriers and clouds inside their networks (RFC 6598).
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

// isNear reports whether an address is one that a proxy of the operator's own
// may well have, and a client on the internet has not.
func isNear(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || sharedAddresses.Contains(ip)
}
