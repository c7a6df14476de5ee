// Package glob matches paths of components between slashes with patterns: * stands
// for any characters within one component, ** alone between slashes for any number
// of components, also none.
package glob

import (
	"slices"
	"strings"
)

// Pattern is a pattern made ready to be matched.
type Pattern []component

// component is one part of a pattern between slashes.
type component struct {
	// deep marks **, which takes any number of components.
	deep bool
	// segments are the literal texts around each *. One segment means that
	// there is no wildcard.
	segments []string
	// variable is the name of one that stands for a value; it has no segments.
	variable string
}

// Compile makes a pattern ready. Every pattern is valid: a ** beside other
// characters is what two * are.
func Compile(pattern string) Pattern { return CompileWith(pattern, nil, nil) }

// CompileWith is [Compile] with something done to each text between wildcards.
// Whatever comes out is only ever compared. A component of which variable says a name
// stands for the value that [Pattern.MatchWith] has for that. Each may be nil.
func CompileWith(pattern string, literal func(string) string, variable func(part string) string) Pattern {
	compiled := make(Pattern, 0, 1+strings.Count(pattern, "/"))
	for part := range strings.SplitSeq(pattern, "/") {
		if part == "**" {
			if n := len(compiled); n == 0 || !compiled[n-1].deep {
				compiled = append(compiled, component{deep: true})
			}
			continue
		}
		if variable != nil {
			if name := variable(part); name != "" {
				compiled = append(compiled, component{variable: name})
				continue
			}
		}
		segments := strings.Split(part, "*")
		if literal != nil {
			for i := range segments {
				segments[i] = literal(segments[i])
			}
		}
		compiled = append(compiled, component{segments: segments})
	}
	return compiled
}

// Literal is the beginning of the pattern that has no wildcards and variables, and rest
// what comes behind it: nothing where text is the only path that the pattern matches.
func (p Pattern) Literal() (text string, rest Pattern) {
	for i, c := range p {
		if c.deep || len(c.segments) != 1 {
			return text, p[i:]
		}
		if i > 0 {
			text += "/"
		}
		text += c.segments[0]
	}
	return text, nil
}

// Below reports whether the pattern is ** alone.
func (p Pattern) Below() bool { return len(p) == 1 && p[0].deep }

// Within reports whether the pattern is * alone.
func (p Pattern) Within() bool {
	return len(p) == 1 && len(p[0].segments) == 2 && p[0].segments[0] == "" && p[0].segments[1] == ""
}

// Ends are the first and the last component of paths that the pattern matches. One
// that is not always the same is empty.
func (p Pattern) Ends() (first, last string) {
	return p[0].text(), p[len(p)-1].text()
}

// Variable reports whether a component stands for a value.
func (p Pattern) Variable() bool {
	return slices.ContainsFunc(p, func(c component) bool { return c.variable != "" })
}

// text is what a component without wildcards stands for, and empty for others.
func (c component) text() string {
	if len(c.segments) != 1 {
		return ""
	}
	return c.segments[0]
}

// Size is how many bytes of memory the pattern takes, about.
func (p Pattern) Size() int {
	const each = 48
	size := 0
	for _, c := range p {
		size += each + len(c.variable)
		for _, segment := range c.segments {
			size += 16 + len(segment)
		}
	}
	return size
}

// Match reports whether the pattern covers a path, given by its components.
// A variable covers nothing.
func (p Pattern) Match(path []string) bool { return p.MatchWith(path, nil) }

// MatchWith is [Pattern.Match] where a variable covers the one component that is its
// value, which is only ever compared. A variable without a value covers nothing.
//
// Only the last ** is ever tried again: whatever an earlier one could take in
// addition, the later one can take instead. So the time is bounded by the
// length of the pattern times that of the path.
func (p Pattern) MatchWith(path []string, values map[string]string) bool {
	var at, next int
	retry, taken := -1, 0
	for next < len(path) {
		switch {
		case at < len(p) && p[at].deep:
			retry, taken = at+1, next
			at++
		case at < len(p) && p[at].match(path[next], values):
			at++
			next++
		case retry >= 0:
			taken++
			at, next = retry, taken
		default:
			return false
		}
	}
	for at < len(p) && p[at].deep {
		at++
	}
	return at == len(p)
}

// match reports whether a component without ** covers s. Taking the first
// place that fits each segment leaves the most room for those after it, so
// there is nothing to try twice.
func (c component) match(s string, values map[string]string) bool {
	if c.variable != "" {
		value, known := values[c.variable]
		return known && s == value
	}
	first := c.segments[0]
	if len(c.segments) == 1 {
		return s == first
	}
	last := c.segments[len(c.segments)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, segment := range c.segments[1 : len(c.segments)-1] {
		_, after, found := strings.Cut(s, segment)
		if !found {
			return false
		}
		s = after
	}
	return true
}
