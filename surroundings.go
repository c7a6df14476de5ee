package dockit

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/handlers"
)

// surroundings are what the app looks at of the configuration around it, to
// warn of what would hurt it.
type surroundings struct {
	// adminDisabled and adminListen say whether and where Caddy's admin endpoint
	// listens; an empty address is Caddy's default.
	adminDisabled bool
	adminListen   string
	// http is the configuration of the HTTP app, nil without one.
	http json.RawMessage
}

// surroundingsOf reads them while the app is provisioned: afterwards Caddy
// forgets the HTTP app's. Caddy has no other way for a module to see more of the
// configuration than its own part. What is not found is left out.
func surroundingsOf(ctx caddy.Context) (s surroundings, found bool) {
	config := reflect.ValueOf(ctx).FieldByName("cfg")
	if config.Kind() != reflect.Pointer || config.IsNil() {
		return s, false
	}
	apps := config.Elem().FieldByName("AppsRaw")
	if apps.Kind() == reflect.Map {
		for names := apps.MapRange(); names.Next(); {
			if value := names.Value(); names.Key().String() == "http" && value.Kind() == reflect.Slice {
				s.http = value.Bytes()
			}
		}
	}
	admin := config.Elem().FieldByName("Admin")
	if admin.Kind() != reflect.Pointer {
		return s, false
	}
	if admin.IsNil() {
		return s, true
	}
	disabled, listen := admin.Elem().FieldByName("Disabled"), admin.Elem().FieldByName("Listen")
	if disabled.Kind() != reflect.Bool || listen.Kind() != reflect.String {
		return s, false
	}
	s.adminDisabled, s.adminListen = disabled.Bool(), listen.String()
	return s, true
}

// warnOfAdminEndpoint warns when Caddy's admin endpoint can be reached over
// TCP: it asks for no credentials, so that every process of the machine can
// make itself an admin of Dockit there.
func (a *App) warnOfAdminEndpoint(s surroundings) {
	if s.adminDisabled {
		return
	}
	listen, err := caddy.NewReplacer().ReplaceOrErr(s.adminListen, true, true)
	if err != nil {
		return // Caddy refuses it
	}
	if listen == "" {
		listen = caddy.DefaultAdminListen
	}
	address, err := caddy.ParseNetworkAddress(listen)
	if err != nil || address.IsUnixNetwork() || address.IsFdNetwork() {
		return
	}
	a.logger.Warn("Caddy's admin endpoint is open: whoever reaches it, such as any process on this machine, can replace the configuration and become an admin of Dockit without a password; "+
		"write `admin off` or `admin unix//run/caddy-admin.sock` into the global options", zap.String("admin_endpoint", listen))
}

// warnOfAuthenticationBefore warns of routes in which a request for Dockit meets
// another authentication first. The credentials that docker sends are Dockit's:
// what comes first refuses them, and nobody can log in.
func (a *App) warnOfAuthenticationBefore(s surroundings) {
	var app struct {
		Servers map[string]struct {
			Routes []routeOrder          `json:"routes"`
			Named  map[string]routeOrder `json:"named_routes"`
		} `json:"servers"`
	}
	if json.Unmarshal(s.http, &app) != nil {
		return // the HTTP app says what is wrong
	}
	for name, server := range app.Servers {
		hidden := make(map[string][]string) // paths by what comes before
		for _, path := range handlers.ExamplePaths() {
			o := orderOf{path: path, named: server.Named, hidden: hidden}
			o.walk(server.Routes, nil, 0)
		}
		for _, before := range slices.Sorted(maps.Keys(hidden)) {
			a.logger.Warn("another authentication comes before dockit: it gets the credentials that are for Dockit, and refuses them; "+
				"take it away from Dockit's paths, with a matcher such as `not path /v2/* /dockit/*`, or altogether",
				zap.String("server", name), zap.String("before", before), zap.Strings("paths", hidden[before]))
		}
	}
}

// routeOrder is what matters of a route of Caddy for the order of its handlers.
type routeOrder struct {
	Group    string                       `json:"group"`
	Match    []map[string]json.RawMessage `json:"match"`
	Handle   []handlerOrder               `json:"handle"`
	Terminal bool                         `json:"terminal"`
}

// handlerOrder is what matters of a handler.
type handlerOrder struct {
	Handler   string       `json:"handler"`
	Endpoints []string     `json:"endpoints"` // of dockit
	Routes    []routeOrder `json:"routes"`    // of subroute
	Name      string       `json:"name"`      // of invoke
	// HandleResponse is what makes a reverse_proxy of forward_auth.
	HandleResponse []json.RawMessage `json:"handle_response"`
}

// orderOf follows a request for one path through the routes.
type orderOf struct {
	path   string
	named  map[string]routeOrder
	hidden map[string][]string
}

// maxRouteDepth bounds named routes that invoke each other.
const maxRouteDepth = 32

// walk returns what authenticates in the routes, after before. A request may
// pass all of them; of a group, it takes one.
func (o orderOf) walk(routes []routeOrder, before []string, depth int) []string {
	if depth > maxRouteDepth {
		return nil
	}
	type found struct{ group, what string }
	var met []found
	for _, route := range routes {
		if !mayMatch(route.Match, o.path) {
			continue
		}
		first := slices.Clone(before)
		for _, f := range met {
			if f.group == "" || f.group != route.Group {
				first = append(first, f.what)
			}
		}
		own := o.walkHandlers(route.Handle, first, depth)
		if route.Terminal {
			continue // nothing comes after it
		}
		for _, what := range own {
			met = append(met, found{route.Group, what})
		}
	}
	all := make([]string, len(met))
	for i, f := range met {
		all[i] = f.what
	}
	return all
}

func (o orderOf) walkHandlers(list []handlerOrder, before []string, depth int) (own []string) {
	for _, h := range list {
		first := slices.Concat(before, own)
		switch h.Handler {
		case "authentication":
			own = append(own, "basic_auth or another authentication handler")
		case "reverse_proxy":
			if len(h.HandleResponse) > 0 {
				own = append(own, "forward_auth, or a reverse_proxy with handle_response")
			}
		case "subroute":
			own = append(own, o.walk(h.Routes, first, depth+1)...)
		case "invoke":
			own = append(own, o.walk([]routeOrder{o.named[h.Name]}, first, depth+1)...)
		case "dockit":
			if !h.answers(o.path) {
				continue
			}
			for _, what := range first {
				if !slices.Contains(o.hidden[what], o.path) {
					o.hidden[what] = append(o.hidden[what], o.path)
				}
			}
		}
	}
	return own
}

func (h handlerOrder) answers(path string) bool {
	if len(h.Endpoints) == 0 {
		return handlers.AllEndpoints.Include(path)
	}
	for _, name := range h.Endpoints {
		if e, err := handlers.ParseEndpoint(name); err == nil && e.Include(path) {
			return true
		}
	}
	return false
}

// mayMatch reports whether a request for a path can match any of the sets.
func mayMatch(sets []map[string]json.RawMessage, path string) bool {
	return len(sets) == 0 || slices.ContainsFunc(sets, func(set map[string]json.RawMessage) bool {
		may, _ := matchSet(set, path)
		return may
	})
}

// matchSet reports whether a request for a path can match, and whether it does
// so whatever else is in it.
func matchSet(set map[string]json.RawMessage, path string) (may, must bool) {
	may, must = true, true
	for name, raw := range set {
		switch name {
		case "path":
			matches := matchPath(raw, path)
			may, must = may && matches, must && matches
		case "not":
			var sets []map[string]json.RawMessage
			if json.Unmarshal(raw, &sets) != nil {
				must = false
				continue
			}
			for _, inner := range sets {
				innerMay, innerMust := matchSet(inner, path)
				may, must = may && !innerMust, must && !innerMay
			}
		default:
			must = false
		}
	}
	return may, must
}

func matchPath(raw json.RawMessage, path string) bool {
	var matcher caddyhttp.MatchPath
	if json.Unmarshal(raw, &matcher) != nil || matcher.Provision(caddy.Context{}) != nil {
		return true
	}
	ctx := context.WithValue(context.Background(), caddy.ReplacerCtxKey, caddy.NewReplacer())
	r := (&http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}}).WithContext(ctx)
	matches, err := matcher.MatchWithError(r)
	return matches || err != nil
}
