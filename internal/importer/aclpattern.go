package importer

import (
	"path"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// placeholder stands in permissions for the name of the caller.
const placeholder = "{username}"

// marker stands for the name of an account in a pattern, until it becomes the
// placeholder of a permission. No text of a configuration holds it.
const marker = "\x00"

// anyName is the pattern of every repository.
const anyName = "**"

// separators are the characters that stand only between others in the
// components of a name, and the slash.
const separators = "-._/"

// regularExpression takes the slashes off a pattern that is one.
func regularExpression(pattern string) (string, bool) {
	if len(pattern) > 2 && pattern[0] == '/' && pattern[len(pattern)-1] == '/' {
		return pattern[1 : len(pattern)-1], true
	}
	return "", false
}

// matchPattern reports whether a text matches an expression between slashes,
// or else a pattern of package path. What is neither matches nothing.
func matchPattern(pattern, text string) bool {
	if expression, ok := regularExpression(pattern); ok {
		matched, err := regexp.MatchString(expression, text)
		return err == nil && matched
	}
	matched, err := path.Match(pattern, text)
	return err == nil && matched
}

// permissionName says a pattern of docker_auth as the name of a permission. It
// is exact when both match the same names of repositories; otherwise the name
// of the permission matches more. Of an expression, the group of the number
// own, if there is one, becomes the placeholder.
func permissionName(pattern string, own int) (name string, exact bool) {
	if expression, ok := regularExpression(pattern); ok {
		name, exact = expressionName(expression, own)
	} else {
		name, exact = globName(pattern)
	}
	return strings.ReplaceAll(name, marker, placeholder), exact
}

// globName is [permissionName] of a pattern of package path, where ** is no
// more than *.
func globName(glob string) (string, bool) {
	exact := true
	if at := strings.IndexAny(glob, `?[\{}`); at >= 0 {
		glob, exact = glob[:at], false
	}
	for strings.Contains(glob, "**") {
		glob = strings.ReplaceAll(glob, "**", "*")
	}
	if !exact {
		return beginning(glob), false
	}
	return glob, true
}

// expressionName is [permissionName] of a regular expression: from its
// beginning, texts and [^/]+ in any number, and .* or .+ at the end.
func expressionName(expression string, own int) (name string, exact bool) {
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return anyName, false
	}
	parts := flat(re, own)
	if len(parts) == 1 && wild(parts[0], false) || len(parts) == 1 && parts[0].Op == syntax.OpAnyCharNotNL {
		return anyName, true // a name has at least one character
	}
	if len(parts) == 0 || parts[0].Op != syntax.OpBeginText {
		return anyName, false
	}
	exact = true
	for i, part := range parts[1:] {
		rest := parts[i+2:]
		ends := len(rest) == 0 || len(rest) == 1 && rest[0].Op == syntax.OpEndText
		whole := name == "" || strings.HasSuffix(name, "/")
		separated := whole || strings.ContainsAny(name[len(name)-1:], separators)
		switch {
		case part.Op == syntax.OpLiteral && part.Flags&syntax.FoldCase == 0 && !strings.ContainsAny(string(part.Rune), "*{}"):
			name += string(part.Rune)
		case part.Op == syntax.OpCapture && wild(part.Sub[0], true) && whole && (beginsWith(rest, "/") || len(rest) > 0 && ends):
			name += marker
		case wild(part, true):
			// Where a component would be empty otherwise, + is no more than *.
			last := ends || beginsWith(rest, "/")
			exact = exact && (part.Op == syntax.OpStar || whole && beginsWith(rest, separators) || separated && last)
			name = strings.TrimSuffix(name, "*") + "*"
		case wild(part, false) && ends:
			return beginning(name), exact && (part.Op == syntax.OpStar || separated)
		case part.Op == syntax.OpEndText && len(rest) == 0:
			return name, exact
		default:
			return beginning(name), false
		}
	}
	return beginning(name), exact
}

// beginning matches whatever begins like a name.
func beginning(name string) string {
	if name = strings.TrimSuffix(name, "*"); name == "" {
		return anyName
	}
	return name + "*/" + anyName
}

// flat lists what an expression matches one after the other, without groups
// but the one that is asked for.
func flat(re *syntax.Regexp, own int) []*syntax.Regexp {
	switch {
	case re.Op == syntax.OpCapture && re.Cap != own:
		return flat(re.Sub[0], own)
	case re.Op == syntax.OpConcat:
		var parts []*syntax.Regexp
		for _, sub := range re.Sub {
			parts = append(parts, flat(sub, own)...)
		}
		return parts
	default:
		return []*syntax.Regexp{re}
	}
}

// wild reports whether an expression is any characters, or any but the slash.
func wild(re *syntax.Regexp, noSlash bool) bool {
	if re.Op != syntax.OpStar && re.Op != syntax.OpPlus {
		return false
	}
	if noSlash {
		return re.Sub[0].Op == syntax.OpCharClass && slices.Equal(re.Sub[0].Rune, []rune{0, '/' - 1, '/' + 1, unicode.MaxRune})
	}
	return re.Sub[0].Op == syntax.OpAnyCharNotNL || re.Sub[0].Op == syntax.OpAnyChar
}

// beginsWith reports whether a text comes first that begins with one of some
// characters.
func beginsWith(parts []*syntax.Regexp, characters string) bool {
	return len(parts) > 0 && parts[0].Op == syntax.OpLiteral && strings.ContainsRune(characters, parts[0].Rune[0])
}

// within reports whether each repository that a permission of the name a
// covers is covered by one of the name b as well. It may miss that.
func within(a, b string) bool {
	return b == anyName || align(strings.Split(a, "/"), strings.Split(b, "/"), anyName, false, func(a, b string) bool {
		return align(strings.Split(a, ""), strings.Split(b, ""), "*", false, func(a, b string) bool { return a == b })
	})
}

// meets reports whether permissions of two names may cover the same repository.
func meets(a, b string) bool {
	return align(strings.Split(a, "/"), strings.Split(b, "/"), anyName, true, func(a, b string) bool {
		return align(strings.Split(a, ""), strings.Split(b, ""), "*", true, func(a, b string) bool { return a == b })
	})
}

// align reports whether two lists fit each other, one by one, where a wildcard
// of b takes any number of a, and one of a takes any number of b if both may
// take.
func align(a, b []string, wildcard string, both bool, fit func(a, b string) bool) bool {
	after := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		here := make([]bool, len(b)+1)
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a) && j == len(b):
				here[j] = true
			case j < len(b) && b[j] == wildcard:
				here[j] = here[j+1] || i < len(a) && after[j]
			case i < len(a) && a[i] == wildcard:
				here[j] = both && (after[j] || j < len(b) && here[j+1])
			case i < len(a) && j < len(b):
				here[j] = after[j+1] && fit(a[i], b[j])
			}
		}
		after = here
	}
	return after[0]
}
