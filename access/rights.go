package access

import (
	"strings"

	"github.com/dockit-registry/dockit/internal/glob"
)

// Rights is all that one subject may do, made ready to answer many requests.
// It never changes. What a request costs hardly depends on how many permissions
// there are, but for patterns that begin and end with wildcards, as
// team-*/**/app-*: they are tried one by one.
type Rights struct {
	// exact, within and below are what was given for one repository, for all
	// directly below a name, and for a name and all below it.
	exact, within, below names
	patterns             map[ends][]grant
	catalog              bool
	size                 int
	// exposing is set when a pattern has placeholders beside {username}, and values
	// are what those stand for.
	exposing bool
	values   Values
}

// ends are the first and the last component of a pattern. One with a wildcard
// is empty.
type ends struct{ first, last string }

// grant is what may be done to the repositories of a pattern.
type grant struct {
	pattern glob.Pattern
	actions Actions
}

// NewRights collects the permissions of the subject called username: its own,
// those of its groups and those of everyone. A permission that is not valid
// gives nothing.
func NewRights(username string, permissions []Permission) *Rights {
	r := new(Rights)
	var exact, within, below []named
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
			exact = append(exact, named{p.Name, actions})
			continue
		}
		pattern, ok := p.pattern(username)
		if !ok {
			continue
		}
		switch name, rest := pattern.Literal(); {
		case len(rest) == 0:
			exact = append(exact, named{name, actions})
		case rest.Below():
			below = append(below, named{name, actions})
		case rest.Within():
			within = append(within, named{name, actions})
		default:
			r.add(grant{pattern, actions})
		}
	}
	r.exact, r.within, r.below = newNames(exact), newNames(within), newNames(below)
	r.size += r.exact.size() + r.within.size() + r.below.size()
	return r
}

// add adds what is found by the ends of a name alone.
func (r *Rights) add(g grant) {
	if r.patterns == nil {
		r.patterns = make(map[ends][]grant)
	}
	var key ends
	key.first, key.last = g.pattern.Ends()
	r.patterns[key] = append(r.patterns[key], g)
	r.exposing = r.exposing || g.pattern.Variable()
	const fixed = 96 // with its part of a map, and slices
	r.size += fixed + g.pattern.Size()
}

// With are the rights of a robot for which placeholders beside {username} stand for
// these values, and for no others. Without it they stand for nothing, and permissions
// that have one give nothing: what is kept of a subject holds no values, and may be
// shared by all who log in as it.
func (r *Rights) With(values Values) *Rights {
	if !r.exposing {
		return r
	}
	with := *r
	with.values = values.Usable()
	return &with
}

// Size is how many bytes of memory the rights take, about.
func (r *Rights) Size() int { return r.size }

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
	allowed := r.exact.of(name)
	if len(r.below.entries) > 0 {
		allowed |= r.below.of("") | r.below.of(name)
		for i := range len(name) {
			if name[i] == '/' {
				allowed |= r.below.of(name[:i])
			}
		}
	}
	last := strings.LastIndexByte(name, '/')
	allowed |= r.within.of(name[:max(last, 0)])
	if len(r.patterns) == 0 {
		return allowed
	}
	first, _, _ := strings.Cut(name, "/")
	// Few names are deeper than this, and the others cost an allocation.
	var room [8]string
	components := room[:0]
	for component := range strings.SplitSeq(name, "/") {
		components = append(components, component)
	}
	for _, key := range [...]ends{{first, name[last+1:]}, {"", name[last+1:]}, {first, ""}, {"", ""}} {
		for _, g := range r.patterns[key] {
			if !allowed.Has(g.actions) && g.pattern.MatchWith(components, r.values) {
				allowed |= g.actions
			}
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
