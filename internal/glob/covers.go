package glob

import "strings"

// wildcard stands for a * of another pattern: a character that no path holds, so that
// only a * covers it.
const wildcard = "\x00"

// covers reports whether a component without ** takes whatever another one takes.
func (c component) covers(other component) bool {
	switch {
	case other.deep:
		return false
	case c.variable != "":
		return c.variable == other.variable
	case other.variable != "":
		return c.match(wildcard, nil)
	default:
		return c.match(strings.Join(other.segments, wildcard), nil)
	}
}

// Covers reports whether the pattern matches every path that the other one matches.
// It compares how they are written: true is certain, and false is for patterns that
// cover another in a roundabout way, too.
func (p Pattern) Covers(other Pattern) bool {
	// As in Match, with a ** of the other one as a component that only a ** takes.
	var at, next int
	retry, taken := -1, 0
	for next < len(other) {
		switch {
		case at < len(p) && p[at].deep:
			retry, taken = at+1, next
			at++
		case at < len(p) && p[at].covers(other[next]):
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
