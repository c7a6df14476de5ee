package dockit

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/internal/connections"
)

// join puts what Dockit does for whole HTTP servers around those of its
// configuration. The first of its handlers that is provisioned calls it: that is
// after Caddy has made the servers that redirect to HTTPS, and before any
// server listens.
func (a *App) join(ctx caddy.Context) error {
	app := httpAppOf(ctx)
	if app == nil || a.http != nil {
		return nil
	}
	a.http = app
	if err := keepListeners(ctx, app); err != nil {
		return err
	}
	plain := &plainHTTP{app: app, refusal: handlers.NewPlainRefusal(a.logger.Named("plain_http"))}
	for _, server := range app.Servers {
		surround(server, func(next http.Handler) http.Handler {
			next = plain.guard(next)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				connections.HasBegun(r)
				next.ServeHTTP(w, r)
			})
		})
	}
	return nil
}

// httpAppOf is the HTTP app that a module belongs to, or nil.
func httpAppOf(ctx caddy.Context) *caddyhttp.App {
	for _, module := range ctx.Modules() {
		if app, ok := module.(*caddyhttp.App); ok {
			return app
		}
	}
	return nil
}

// surround puts something around all that a server answers. Routes cannot be
// added to a server that is provisioned, and which one is, is by chance. So it is
// done before the first connection is served, which nothing comes before.
func surround(server *caddyhttp.Server, with func(http.Handler) http.Handler) {
	var once sync.Once
	server.RegisterConnContext(func(ctx context.Context, _ net.Conn) context.Context {
		once.Do(func() {
			if s, ok := ctx.Value(http.ServerContextKey).(*http.Server); ok {
				s.Handler = with(s.Handler)
			}
		})
		return ctx
	})
}
