package federation

import (
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/internal/glob"
)

// Compiled are conditions made ready to be compared with many tokens.
type Compiled struct {
	claims []compiledClaim
}

// compiledClaim is one claim, and what it may be.
type compiledClaim struct {
	name     string
	literals []string
	patterns []glob.Pattern
}

// Compile makes conditions ready; see [Match] for what they mean.
func Compile(conditions []Condition) Compiled {
	var all Compiled
	for _, c := range conditions {
		at := slices.IndexFunc(all.claims, func(known compiledClaim) bool { return known.name == c.Name })
		if at < 0 {
			at = len(all.claims)
			all.claims = append(all.claims, compiledClaim{name: c.Name})
		}
		if c.hasWildcard() {
			all.claims[at].patterns = append(all.claims[at].patterns, glob.Compile(c.Value))
		} else {
			all.claims[at].literals = append(all.claims[at].literals, c.Value)
		}
	}
	return all
}

// View is the claims of a token, being compared with many conditions. It is not
// safe for concurrent use.
type View struct {
	claims Claims
	values map[string][]value
}

// value is a text that a claim is compared by.
type value struct {
	text string
	// parts are those between its slashes.
	parts []string
}

// NewView looks at claims.
func NewView(claims Claims) *View { return &View{claims, make(map[string][]value)} }

// of are the values of a claim.
func (v *View) of(name string) []value {
	known, ok := v.values[name]
	if ok {
		return known
	}
	claim, _ := v.claims.Find(name)
	for _, text := range texts(claim) {
		if text != "" {
			known = append(known, value{text, strings.Split(text, "/")})
		}
	}
	v.values[name] = known
	return known
}

// Missed is how many claims are not as the conditions want them. It stops counting
// at a number.
func (c Compiled) Missed(v *View, most int) int {
	missed := 0
	for _, claim := range c.claims {
		if missed >= most {
			break
		}
		if !claim.holds(v.of(claim.name)) {
			missed++
		}
	}
	return missed
}

func (c compiledClaim) holds(values []value) bool {
	return slices.ContainsFunc(values, func(v value) bool {
		return slices.Contains(c.literals, v.text) || slices.ContainsFunc(c.patterns, func(p glob.Pattern) bool { return p.Match(v.parts) })
	})
}
