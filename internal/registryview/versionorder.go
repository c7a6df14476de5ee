package registryview

import (
	"cmp"
	"strings"
)

// byVersion orders tags as people read them, the newest version first: latest, then
// what begins with a number, then the rest. Numbers count as numbers, and what is
// added to a version, as in 1.2.0-rc.1, comes behind the version itself.
func byVersion(a, b string) int {
	if c := cmp.Compare(group(a), group(b)); c != 0 {
		return c
	}
	return cmp.Or(natural(unversioned(b), unversioned(a)), cmp.Compare(a, b))
}

// group distinguishes latest, versions and other tags.
func group(tag string) int {
	switch first := unversioned(tag); {
	case tag == "latest":
		return 0
	case first != "" && isDigit(first[0]):
		return 1
	default:
		return 2
	}
}

// unversioned is a tag without the v of v1.2.3.
func unversioned(tag string) string {
	if len(tag) > 1 && (tag[0] == 'v' || tag[0] == 'V') && isDigit(tag[1]) {
		return tag[1:]
	}
	return tag
}

// natural compares texts in which numbers count as numbers.
func natural(a, b string) int {
	for a != "" && b != "" {
		if isDigit(a[0]) && isDigit(b[0]) {
			var x, y string
			x, a = number(a)
			y, b = number(b)
			if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
				return c
			}
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(rank(a), rank(b))
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(rank(a), rank(b))
}

// rank orders what may stand where two texts differ: an addition, then the end, then
// a further number or letter.
func rank(rest string) int {
	const end = 256
	switch {
	case rest == "":
		return end
	case rest[0] == '-' || rest[0] == '_':
		return int(rest[0])
	default:
		return end + 1 + int(rest[0])
	}
}

// number cuts the digits at the beginning off, without leading zeros.
func number(s string) (digits, rest string) {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return strings.TrimLeft(s[:i], "0"), s[i:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
