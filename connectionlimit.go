package dockit

import (
	"net"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/internal/connections"
)

func init() {
	caddy.RegisterModule(new(ConnectionLimit))
}

// ConnectionLimit is a listener wrapper that bounds how many connections a
// server has open. One more closes the one that has waited the longest for a
// request, so that connections without requests lock no client out; while every
// one has a request, new ones wait. It stands before the TLS wrapper.
type ConnectionLimit struct {
	// Most is how many connections may be open. Default: 4096, or half of the
	// files that the process may open when that is fewer.
	Most int `json:"most,omitempty"`

	limit *connections.Limit
}

// CaddyModule returns the Caddy module information.
func (*ConnectionLimit) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.listeners.dockit_connections",
		New: func() caddy.Module { return new(ConnectionLimit) },
	}
}

// Provision asks the server to report what its connections do.
func (l *ConnectionLimit) Provision(ctx caddy.Context) error {
	l.limit = connections.NewLimit(l.Most)
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		server.RegisterConnState(l.limit.Follow)
		server.RegisterConnContext(l.limit.Accepted)
	}
	return nil
}

// WrapListener implements [caddy.ListenerWrapper].
func (l *ConnectionLimit) WrapListener(listener net.Listener) net.Listener {
	return l.limit.Listener(listener)
}

// Interface guards
var (
	_ caddy.Provisioner     = (*ConnectionLimit)(nil)
	_ caddy.ListenerWrapper = (*ConnectionLimit)(nil)
)
