package admin

import (
	"path"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
)

// minLikeness is how like a name must be to one that a permission covers
// before the permission is worth mentioning: two letters.
const minLikeness = 2

// suggest finds the permission that comes closest to what was asked without
// allowing it, or nil when none is even similar.
func suggest(effective []store.Effective, username string, t access.Type, name string, missing access.Actions) *adminapi.Near {
	if t == access.Registry {
		return nil
	}
	var covering, similar *store.Effective
	most := minLikeness - 1
	for i, e := range effective {
		switch {
		case e.Type == access.Registry:
		case e.Matches(username, t, name):
			// Nothing is nearer than the right name with other actions.
			if covering == nil || len(e.Actions.Implied().List()) > len(covering.Actions.Implied().List()) {
				covering = &effective[i]
			}
		default:
			if l := likeness(e.Name, username, name); l > most {
				most, similar = l, &effective[i]
			}
		}
	}
	switch {
	case covering != nil:
		allowed := covering.Actions.Implied()
		return &adminapi.Near{
			EffectivePermission: effectiveOf(*covering),
			Reason:              "allows " + strings.Join(allowed.List(), ", ") + " only, not " + strings.Join((missing&^allowed).List(), ", "),
		}
	case similar != nil:
		return &adminapi.Near{EffectivePermission: effectiveOf(*similar), Reason: uncovered(*similar, username, name)}
	default:
		return nil
	}
}

// likeness counts the components that a pattern and a name have in common from
// the left, and the letters of the first one that differs. Among equals, a
// wildcard was probably meant to do it.
func likeness(pattern, username, name string) int {
	const component = 1000
	patterns, names := strings.Split(strings.ReplaceAll(pattern, "{username}", username), "/"), strings.Split(name, "/")
	score := 0
	for i := range min(len(patterns), len(names)) {
		if matched, err := path.Match(patterns[i], names[i]); err != nil || !matched {
			score += commonPrefix(patterns[i], names[i])
			break
		}
		score += component
	}
	if score > 0 {
		score += strings.Count(pattern, "*")
	}
	return score
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// uncovered says why a permission does not cover a name.
func uncovered(e store.Effective, username, name string) string {
	switch {
	case username == "" && strings.Contains(e.Name, "{username}"):
		return "needs a name, and who asks has none"
	case e.Type == access.Repository && strings.HasPrefix(name, strings.TrimSuffix(e.Name, "*")) && strings.HasSuffix(e.Name, "*"):
		return "* stands for one component: ** takes any number"
	default:
		return "does not cover " + name
	}
}
