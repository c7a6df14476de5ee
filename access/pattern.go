package access

import (
	"cmp"
	"fmt"
	"strings"
)

// placeholder stands in a pattern for the name of whoever asks.
const placeholder = "{username}"

// MaxPatternLength is the longest name in a permission, in bytes.
const MaxPatternLength = 256

// pattern is the name of a permission, made ready for one subject.
type pattern []component

// component is one part of a pattern between slashes.
type component struct {
	// deep marks **, which takes any number of components.
	deep bool
	// segments are the literal texts around each *. One segment means that
	// there is no wildcard.
	segments []string
}

// patternFault says what is wrong with the name of a permission and what to
// write instead, or nothing. A namespace may be a host alone: everything there.
func patternFault(name string, namespace bool) string {
	if name == "" {
		return "the name is empty: write a repository such as team/app, or ** for every one"
	}
	if len(name) > MaxPatternLength {
		return fmt.Sprintf("the name is %d bytes long, at most %d are allowed", len(name), MaxPatternLength)
	}
	components := strings.Split(name, "/")
	for i, component := range components {
		fault := patternComponentFault(component, i == 0)
		if fault == "" {
			continue
		}
		if i == len(components)-1 {
			fault = cmp.Or(referenceFault(component), fault)
		}
		return fault
	}
	if !namespace && !strings.Contains(name, "/") && isHost(exemplar(name)) {
		return fmt.Sprintf("%q is a host without a repository: write %s/** for all that is there", name, name)
	}
	return ""
}

func patternComponentFault(component string, first bool) string {
	if component == "**" {
		return ""
	}
	if strings.Contains(component, "**") {
		return fmt.Sprintf("in %q ** does not stand alone between slashes: write * for characters within a component, or /**/ for any number of components", component)
	}
	judged := exemplar(component)
	if strings.ContainsAny(judged, "{}") {
		return fmt.Sprintf("%q holds an unknown placeholder: only %s is known", component, placeholder)
	}
	return componentFault(component, judged, first)
}

// exemplar puts a digit for each wildcard and placeholder. A digit may stand
// anywhere, in a component as in a port.
func exemplar(component string) string {
	return strings.ReplaceAll(strings.ReplaceAll(component, placeholder, "0"), "*", "0")
}

// compile makes a name ready to be matched. It reports false when the name asks
// for a username that cannot stand in it: nothing matches then.
func compile(name, username string) (pattern, bool) {
	if strings.Contains(name, placeholder) && (username == "" || strings.Contains(username, "/")) {
		return nil, false
	}
	compiled := make(pattern, 0, 1+strings.Count(name, "/"))
	for part := range strings.SplitSeq(name, "/") {
		if part == "**" {
			if n := len(compiled); n == 0 || !compiled[n-1].deep {
				compiled = append(compiled, component{deep: true})
			}
			continue
		}
		// Wildcards are found before the username comes in, so that it is
		// only ever compared.
		segments := strings.Split(part, "*")
		for i := range segments {
			segments[i] = strings.ReplaceAll(segments[i], placeholder, username)
		}
		compiled = append(compiled, component{segments: segments})
	}
	return compiled, true
}

// literal is the only name that the pattern matches, if there is but one.
func (p pattern) literal() (string, bool) {
	texts := make([]string, len(p))
	for i, c := range p {
		if c.deep || len(c.segments) > 1 {
			return "", false
		}
		texts[i] = c.segments[0]
	}
	return strings.Join(texts, "/"), true
}

// match reports whether the pattern covers a name, given by its components.
//
// Only the last ** is ever tried again: whatever an earlier one could take in
// addition, the later one can take instead. So the time is bounded by the
// length of the pattern times that of the name.
func (p pattern) match(name []string) bool {
	var at, next int
	retry, taken := -1, 0
	for next < len(name) {
		switch {
		case at < len(p) && p[at].deep:
			retry, taken = at+1, next
			at++
		case at < len(p) && p[at].match(name[next]):
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
func (c component) match(s string) bool {
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
