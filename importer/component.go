package importer

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// markerRune is marker, which package syntax writes as quotedMarker.
const (
	markerRune   = 0
	quotedMarker = `\x00`
)

// replaceComponent puts the marker in place of a group of an expression, if
// that group is a whole component of the names that match, and always the same
// by number. It reports false otherwise, and for a name that the group does not
// match, a language without names.
func replaceComponent(expression string, group int, name string) (string, bool) {
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil || re.Op != syntax.OpConcat || re.Sub[0].Op != syntax.OpBeginText {
		return "", false
	}
	at := slices.IndexFunc(re.Sub, func(sub *syntax.Regexp) bool { return sub.Op == syntax.OpCapture && sub.Cap == group })
	if at < 0 || at+1 == len(re.Sub) || takesSlash(re.Sub[at]) || asserts(re.Sub[at]) ||
		slices.ContainsFunc(re.Sub[1:at], func(sub *syntax.Regexp) bool { return !fixedSlashes(sub) }) {
		return "", false
	}
	before, after := re.Sub[at-1], re.Sub[at+1]
	if at > 1 && !(before.Op == syntax.OpLiteral && before.Rune[len(before.Rune)-1] == '/') ||
		!(after.Op == syntax.OpEndText || after.Op == syntax.OpLiteral && after.Rune[0] == '/') {
		return "", false
	}
	if _, ok := capture(`\A(`+re.Sub[at].Sub[0].String()+`)\z`, name, "1"); !ok {
		return nobody, true
	}
	re.Sub[at] = &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{markerRune}}
	return strings.ReplaceAll(re.String(), quotedMarker, marker), true
}

// fixedSlashes reports whether all matches of an expression have the same
// number of slashes: none, or those of a text.
func fixedSlashes(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return true
	case syntax.OpCapture:
		return fixedSlashes(re.Sub[0])
	case syntax.OpConcat:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !fixedSlashes(sub) })
	default:
		return !takesSlash(re)
	}
}

// asserts reports whether an expression looks at what is around it.
func asserts(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	default:
		return slices.ContainsFunc(re.Sub, asserts)
	}
}
