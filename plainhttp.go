package dockit

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/handlers"
)

// plainHTTP keeps credentials from being redirected from plain HTTP to a site with
// Dockit: such a request is refused. Whatever else a server does on plain HTTP
// stays, challenges of ACME, other paths and other hosts included.
type plainHTTP struct {
	app     *caddyhttp.App
	refusal http.Handler
}

func (p *plainHTTP) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil || !handlers.AllEndpoints.WithCredentials().Include(r.URL.Path) || !p.leadsToDockit(r) {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(&redirectRefuser{ResponseWriter: w, request: r, refusal: p.refusal}, r)
	})
}

// leadsToDockit reports whether Dockit answers the path over TLS for the host of a
// request, or would if any server did.
func (p *plainHTTP) leadsToDockit(r *http.Request) bool {
	if !p.servesTLS() {
		return false
	}
	r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddy.NewReplacer())) // for hosts with placeholders
	others := false
	var anywhere handlers.Endpoints
	for _, server := range p.app.Servers {
		if len(server.TLSConnPolicies) == 0 {
			continue
		}
		found := false
		for _, route := range server.Routes {
			endpoints := endpointsOf(server, route.Handlers, 0)
			anywhere |= endpoints
			if found || nobodys(route) || !hostMatches(route, r) {
				continue
			}
			if endpoints.WithCredentials().Include(r.URL.Path) {
				return true
			}
			others = others || len(route.Handlers) > 0
			found = route.Terminal
		}
	}
	return !others && anywhere.WithCredentials().Include(r.URL.Path)
}

// servesTLS reports whether any server does.
func (p *plainHTTP) servesTLS() bool {
	for _, server := range p.app.Servers {
		if len(server.TLSConnPolicies) > 0 {
			return true
		}
	}
	return false
}

// maxRoutesDepth bounds routes that lead to themselves.
const maxRoutesDepth = 20

// endpointsOf are those that Dockit answers somewhere in the handlers of a route.
func endpointsOf(server *caddyhttp.Server, all []caddyhttp.MiddlewareHandler, depth int) (found handlers.Endpoints) {
	if depth > maxRoutesDepth {
		return 0
	}
	for _, handler := range all {
		switch h := handler.(type) {
		case *Handler:
			found |= h.endpoints
		case *caddyhttp.Subroute:
			for _, route := range h.Routes {
				found |= endpointsOf(server, route.Handlers, depth+1)
			}
		case *caddyhttp.Invoke:
			if route := server.NamedRoutes[h.Name]; route != nil {
				found |= endpointsOf(server, route.Handlers, depth+1)
			}
		}
	}
	return found
}

// nobodys reports whether a route is for hosts that no server answers for.
func nobodys(route caddyhttp.Route) bool {
	if len(route.Handlers) != 1 {
		return false
	}
	response, ok := route.Handlers[0].(*caddyhttp.StaticResponse)
	return ok && response.StatusCode.Int() == http.StatusMisdirectedRequest
}

// hostMatches reports whether a route is for the host of a request, or for all.
func hostMatches(route caddyhttp.Route, r *http.Request) bool {
	return len(route.MatcherSets) == 0 || slices.ContainsFunc(route.MatcherSets, func(set caddyhttp.MatcherSet) bool {
		for _, matcher := range set {
			if hosts, ok := matcher.(*caddyhttp.MatchHost); ok {
				if matches, err := hosts.MatchWithError(r); err != nil || !matches {
					return false
				}
			}
		}
		return true
	})
}

// redirectRefuser passes an answer on, unless it is a redirect to HTTPS.
type redirectRefuser struct {
	http.ResponseWriter
	request *http.Request
	refusal http.Handler
	decided bool
	refused bool
}

// WriteHeader implements [http.ResponseWriter].
func (w *redirectRefuser) WriteHeader(status int) {
	if status >= 200 && !w.decided {
		w.decided = true
		w.refused = status >= 300 && status < 400 && strings.HasPrefix(strings.ToLower(w.Header().Get("Location")), "https://")
		if w.refused {
			w.Header().Del("Location")
			w.Header().Del("Content-Length")
			w.refusal.ServeHTTP(w.ResponseWriter, fromPeer(w.request))
		}
	}
	if !w.refused {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements [http.ResponseWriter].
func (w *redirectRefuser) Write(p []byte) (int, error) {
	w.decided = true // with 200
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *redirectRefuser) Unwrap() http.ResponseWriter { return w.ResponseWriter }
