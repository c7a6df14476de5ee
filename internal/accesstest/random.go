package accesstest

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// Words of policies and requests, few enough to meet each other and with some
// that are wrong.
var (
	randomUsers   = []string{"alice", "bob", "a", "a.b", "a@b", ""}
	randomParts   = []string{"a", "b", "ab", "a-b", "alice", "a.b", "bob", "ba"}
	randomGlobs   = []string{"*", "**", "**", "a*", "*b", "*-*", "a*b", "{username}", "x-{username}", "{username}*", "*a*"}
	randomWrong   = []string{"", "A", "..", "a**", "{user}", "a b", "a:1", "-"}
	randomHosts   = []string{"host:5000", "a.b:1", "[::1]:2", "host"}
	randomActions = []string{"pull", "push", "delete", "*", "pull,push", "push,pull,delete", "delete,pull", "*", "push", "pull", "pull,write", ""}
	randomTypes   = []string{"repository", "repository", "repository", "namespace", "registry", "repository(plugin)", "repo"}
)

// Pick is one of some texts.
func Pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// Parts are the names of which [RandomName] makes one, without what is wrong.
func Parts() []string { return slices.Clone(randomParts) }

// RandomUser is the name of a user, or none.
func RandomUser(r *rand.Rand) string { return Pick(r, randomUsers) }

// RandomName is the name of a repository, or of several: globs is how likely each of
// its parts has a wildcard. Few are wrong.
func RandomName(r *rand.Rand, globs float64) string {
	parts := make([]string, 1+r.IntN(3))
	for i := range parts {
		switch chance := r.Float64(); {
		case chance < globs:
			parts[i] = Pick(r, randomGlobs)
		case chance < globs+0.02:
			parts[i] = Pick(r, randomWrong)
		case i == 0 && chance < globs+0.1:
			parts[i] = Pick(r, randomHosts)
		default:
			parts[i] = Pick(r, randomParts)
		}
	}
	return strings.Join(parts, "/")
}

// RandomText is a permission, or what a client asks for. Some are wrong.
func RandomText(r *rand.Rand, globs float64) string {
	switch r.IntN(20) {
	case 0:
		return "registry:catalog:*"
	case 1:
		return "repository::" + Pick(r, randomActions)
	default:
		return Pick(r, randomTypes) + ":" + RandomName(r, globs) + ":" + Pick(r, randomActions)
	}
}
