package access

import "strings"

// Rights is all that one subject may do, made ready to answer many requests.
// It never changes.
type Rights struct {
	// literals holds the names without wildcards.
	literals map[string]Actions
	patterns []grant
	catalog  bool
}

// grant is what may be done to the repositories of a pattern.
type grant struct {
	pattern pattern
	actions Actions
}

// NewRights collects the permissions of the subject called username: its own,
// those of its groups and those of everyone. A permission that is not valid
// gives nothing.
func NewRights(username string, permissions []Permission) *Rights {
	r := &Rights{literals: make(map[string]Actions, len(permissions))}
	for _, p := range permissions {
		if p.fault() != "" {
			continue
		}
		if p.Type == Registry {
			r.catalog = true
			continue
		}
		actions := p.Actions.Implied()
		if p.Type == Repository && !strings.ContainsAny(p.Name, "*{") {
			r.literals[p.Name] |= actions
			continue
		}
		pattern, ok := p.pattern(username)
		if !ok {
			continue
		}
		if name, ok := pattern.literal(); ok {
			r.literals[name] |= actions
		} else {
			r.patterns = append(r.patterns, grant{pattern, actions})
		}
	}
	return r
}

// Allowed is everything that may be done to one resource. A name that no
// registry takes, such as one with a wildcard, allows nothing.
func (r *Rights) Allowed(t Type, name string) Actions {
	switch {
	case t == Registry && name == catalog && r.catalog:
		return All
	case t == Repository && isRepository(name):
		return r.repository(name)
	default:
		return 0
	}
}

func (r *Rights) repository(name string) Actions {
	allowed := r.literals[name]
	if len(r.patterns) == 0 {
		return allowed
	}
	// Few names are deeper than this, and the others cost an allocation.
	var room [8]string
	components := room[:0]
	for component := range strings.SplitSeq(name, "/") {
		components = append(components, component)
	}
	for _, g := range r.patterns {
		if !allowed.Has(g.actions) && g.pattern.match(components) {
			allowed |= g.actions
		}
	}
	return allowed
}

// Grant answers a request: for each resource, what was asked and is allowed.
// Resources of which nothing is left are absent.
func (r *Rights) Grant(asked []Scope) []Scope { return r.grant(asked, false) }

// GrantZot is [Rights.Grant] for a registry of the zot family, which asks for
// its catalog as repository::pull: who may list the catalog gets just that.
func (r *Rights) GrantZot(asked []Scope) []Scope { return r.grant(asked, true) }

func (r *Rights) grant(asked []Scope, zot bool) []Scope {
	granted := make([]Scope, 0, len(asked))
	for _, scope := range asked {
		allowed := r.Allowed(scope.Type, scope.Name)
		if zot && r.catalog && scope.Type == Repository && scope.Name == "" {
			allowed = Pull
		}
		// The catalog is listed or not: there are no parts of its actions.
		if scope.Type == Registry && scope.Actions != All {
			continue
		}
		if scope.Actions &= allowed; scope.Actions != 0 {
			granted = append(granted, scope)
		}
	}
	return granted
}
