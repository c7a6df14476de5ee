// Package routeorder follows requests through the routes of Caddy's HTTP app, as
// they stand in its configuration, to see what they meet before Dockit.
package routeorder

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/dockit-registry/dockit/handlers"
)

// Found is an authentication that gets the credentials which are for Dockit.
type Found struct {
	Server string
	Before string // what it is
	Paths  []string
}

// AuthenticationBefore finds the routes of an HTTP app in which a request for
// Dockit meets another authentication first, by server. The function reports
// whether a matcher for paths may match one. What cannot be read is left out:
// the HTTP app says what is wrong.
func AuthenticationBefore(app json.RawMessage, matches func(matcher json.RawMessage, path string) bool) []Found {
	var config struct {
		Servers map[string]struct {
			Routes []route          `json:"routes"`
			Named  map[string]route `json:"named_routes"`
		} `json:"servers"`
	}
	if json.Unmarshal(app, &config) != nil {
		return nil
	}
	var all []Found
	for _, name := range slices.Sorted(maps.Keys(config.Servers)) {
		server := config.Servers[name]
		hidden := make(map[string][]string)
		for _, path := range handlers.ExamplePaths() {
			r := request{path: path, named: server.Named, hidden: hidden, matches: matches}
			r.walk(server.Routes, nil, 0)
		}
		for _, before := range slices.Sorted(maps.Keys(hidden)) {
			all = append(all, Found{name, before, hidden[before]})
		}
	}
	return all
}

// route is what matters of a route of Caddy for the order of its handlers.
type route struct {
	Group    string                       `json:"group"`
	Match    []map[string]json.RawMessage `json:"match"`
	Handle   []handler                    `json:"handle"`
	Terminal bool                         `json:"terminal"`
}

// handler is what matters of a handler.
type handler struct {
	Handler   string   `json:"handler"`
	Endpoints []string `json:"endpoints"` // of dockit
	Routes    []route  `json:"routes"`    // of subroute
	Name      string   `json:"name"`      // of invoke
	// HandleResponse is what makes a reverse_proxy of forward_auth.
	HandleResponse []json.RawMessage `json:"handle_response"`
}

// request follows a request for one path through the routes.
type request struct {
	path   string
	named  map[string]route
	hidden map[string][]string // paths by what comes before
	// matches reports whether a matcher for paths may match one.
	matches func(matcher json.RawMessage, path string) bool
}

// maxRouteDepth bounds named routes that invoke each other.
const maxRouteDepth = 32

// walk returns what authenticates in the routes, after before. A request may
// pass all of them; of a group, it takes one.
func (r request) walk(routes []route, before []string, depth int) []string {
	if depth > maxRouteDepth {
		return nil
	}
	type found struct{ group, what string }
	var met []found
	for _, next := range routes {
		if !r.mayMatch(next.Match) {
			continue
		}
		first := slices.Clone(before)
		for _, f := range met {
			if f.group == "" || f.group != next.Group {
				first = append(first, f.what)
			}
		}
		own := r.walkHandlers(next.Handle, first, depth)
		if next.Terminal {
			continue // nothing comes after it
		}
		for _, what := range own {
			met = append(met, found{next.Group, what})
		}
	}
	all := make([]string, len(met))
	for i, f := range met {
		all[i] = f.what
	}
	return all
}

func (r request) walkHandlers(list []handler, before []string, depth int) (own []string) {
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
			own = append(own, r.walk(h.Routes, first, depth+1)...)
		case "invoke":
			own = append(own, r.walk([]route{r.named[h.Name]}, first, depth+1)...)
		case "dockit":
			if !h.answers(r.path) {
				continue
			}
			for _, what := range first {
				if !slices.Contains(r.hidden[what], r.path) {
					r.hidden[what] = append(r.hidden[what], r.path)
				}
			}
		}
	}
	return own
}

func (h handler) answers(path string) bool {
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

// mayMatch reports whether the request can match any of the sets.
func (r request) mayMatch(sets []map[string]json.RawMessage) bool {
	return len(sets) == 0 || slices.ContainsFunc(sets, func(set map[string]json.RawMessage) bool {
		may, _ := r.matchSet(set)
		return may
	})
}

// matchSet reports whether the request can match, and whether it does so whatever
// else is in it.
func (r request) matchSet(set map[string]json.RawMessage) (may, must bool) {
	may, must = true, true
	for name, raw := range set {
		switch name {
		case "path":
			matches := r.matches(raw, r.path)
			may, must = may && matches, must && matches
		case "not":
			var sets []map[string]json.RawMessage
			if json.Unmarshal(raw, &sets) != nil {
				must = false
				continue
			}
			for _, inner := range sets {
				innerMay, innerMust := r.matchSet(inner)
				may, must = may && !innerMust, must && !innerMay
			}
		default:
			must = false
		}
	}
	return may, must
}
