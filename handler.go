package dockit

import (
	"context"
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/connections"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler answers Dockit's endpoints in a site and hands every other request
// to the next handler. The app dockit must be configured.
type Handler struct {
	// Endpoints are the groups of endpoints to answer: token, certs, admin,
	// health, ui. Default: every one.
	Endpoints []string `json:"endpoints,omitempty"`

	app       *App
	endpoints handlers.Endpoints
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.dockit",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision finds the app.
func (h *Handler) Provision(ctx caddy.Context) error {
	for _, name := range h.Endpoints {
		endpoint, err := handlers.ParseEndpoint(name)
		if err != nil {
			return err
		}
		h.endpoints |= endpoint
	}
	if len(h.Endpoints) == 0 {
		h.endpoints = handlers.AllEndpoints
	}
	app, err := ctx.AppIfConfigured("dockit")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return errAppMissing
	}
	if err != nil {
		return err
	}
	h.app = app.(*App)
	return h.app.join(ctx)
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	connections.HasRequest(r)
	route, found := h.endpoints.Route(r.URL.Path)
	if !found {
		h.confine(w, r)
		withoutSession(r.Header)
		kept := keepSession(w)
		defer kept.strip() // what nothing was written after
		return next.ServeHTTP(kept, r)
	}
	app, err := h.leasedApp(r.Context())
	switch {
	case err != nil && errors.Is(r.Context().Err(), context.Canceled):
		return caddyhttp.Error(handlers.StatusClientClosed, err)
	case err != nil:
		return caddyhttp.Error(http.StatusServiceUnavailable, err)
	}
	defer app.database.release()
	app.proxies.check(r, app.logger)
	r = r.WithContext(fromClient(namingUser(r), r))
	app.server.Handler(route).ServeHTTP(connections.UnlessGone(w, r), r)
	return nil
}

// namingUser returns the context of a request, in which the user who authenticates
// appears in Caddy's access log as user_id.
func namingUser(r *http.Request) context.Context {
	ctx := r.Context()
	replacer, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok || r.Header.Get("Authorization") == "" && r.Header.Get("Cookie") == "" && r.Method != http.MethodPost {
		return ctx
	}
	return auth.WithObserver(ctx, func(p auth.Principal) {
		replacer.Set("http.auth.user.id", p.Ref.Name)
	})
}

// leasedApp returns an app whose database stays open for the request, which
// must release it. That is another one than the handler's own during a reload:
// a request that comes before the start is answered by the configuration that
// still runs, and one that comes when the database was let go of, by the one
// that took over. Where no other runs, the request waits for the start.
func (h *Handler) leasedApp(ctx context.Context) (*App, error) {
	if h.app.acquire() {
		return h.app, nil
	}
	if app := runningApp(); app != nil && app.acquire() {
		return app, nil
	}
	if err := h.app.awaitStart(ctx); err != nil {
		return nil, err
	}
	if h.app.acquire() {
		return h.app, nil
	}
	return nil, errors.New("dockit did not start, or the configuration was replaced")
}

// runningApp is the app of the configuration that runs, or nil.
func runningApp() *App {
	app, err := caddy.ActiveContext().AppIfConfigured("dockit")
	if err != nil {
		return nil
	}
	return app.(*App)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
