package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxScopes is how many scopes one request may ask for, repeated and malformed
// ones included.
const MaxScopes = 64

// ErrTooManyScopes is returned for a request with more than [MaxScopes].
var ErrTooManyScopes = errors.New("too many scopes")

// Scope is what a client asks for, and what it gets: some actions on one
// resource.
type Scope struct {
	// Type is [Repository] or [Registry].
	Type Type
	// Name is a repository, free of wildcards, or "catalog" for [Registry]. It
	// is empty in repository::pull, by which zot asks for its catalog.
	Name string
	// Actions is what may be done there. For [Registry] it is [All].
	Actions Actions
}

// ParseScopes reads the scope parameters of a request. Each value may hold
// several scopes with spaces between. Scopes of the same resource become one,
// where the first of them stood.
//
// What no registry would ask for is left out rather than refused, so that
// the rest of a request is answered: malformed scopes, unknown types, unknown
// actions. The only error is [ErrTooManyScopes].
func ParseScopes(values []string) ([]Scope, error) {
	var (
		scopes []Scope
		given  int
	)
	for _, value := range values {
		for text := range strings.SplitSeq(value, " ") {
			if text == "" {
				continue
			}
			if given++; given > MaxScopes {
				return nil, fmt.Errorf("%w: at most %d are answered in one request", ErrTooManyScopes, MaxScopes)
			}
			scope, ok := parseScope(text)
			if !ok {
				continue
			}
			// They are few: to compare each with all is faster than a map.
			if i := slices.IndexFunc(scopes, scope.sameResource); i >= 0 {
				scopes[i].Actions |= scope.Actions
				continue
			}
			if scopes == nil {
				scopes = make([]Scope, 0, min(len(values), MaxScopes))
			}
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}

// sameResource reports whether another scope is about the same thing.
func (s Scope) sameResource(other Scope) bool { return s.Name == other.Name && s.Type == other.Type }

// parseScope reads type[(class)]:name:actions. The type ends at the first colon
// and the actions start after the last.
func parseScope(s string) (Scope, bool) {
	kind, rest, _ := strings.Cut(s, ":")
	name, actions, found := cutLast(rest, ":")
	if !found {
		return Scope{}, false
	}
	switch Type(withoutClass(kind)) {
	case Repository:
		scope := Scope{Repository, name, knownActions(actions)}
		return scope, scope.Actions != 0 && (name == "" || isRepository(name))
	case Registry:
		return Scope(Catalog), name == catalog && actions == "*"
	default:
		return Scope{}, false
	}
}

// cutLast cuts s around the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// withoutClass takes the class off a type: repository(plugin) is a repository.
func withoutClass(kind string) string {
	plain, class, found := strings.Cut(kind, "(")
	if !found {
		return kind
	}
	class, closed := strings.CutSuffix(class, ")")
	if !closed || class == "" {
		return ""
	}
	for i := range len(class) {
		if !isAlphanumeric(class[i]) {
			return ""
		}
	}
	return plain
}

// knownActions reads a list of actions and leaves out what it does not know.
func knownActions(list string) Actions {
	var set Actions
	for name := range strings.SplitSeq(list, ",") {
		set |= actionNamed(name)
	}
	return set
}

// ActionList is the list of actions for a token: each by its name on a
// repository, and "*" for the catalog.
func (s Scope) ActionList() []string {
	if s.Type == Registry && s.Actions == All {
		return []string{"*"}
	}
	return s.Actions.List()
}

// String writes the scope as clients do, with each action by its name.
func (s Scope) String() string {
	actions := s.Actions.names()
	if s.Type == Registry && s.Actions == All {
		actions = "*"
	}
	return string(s.Type) + ":" + s.Name + ":" + actions
}
