package importer

import (
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
)

// placeholder stands in permissions for the name of whoever asks.
const placeholder = "{username}"

// nameCharacters are those of the names of repositories, the plainest first.
const nameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789/-._:[]"

// repositories is the language of the names that a repository can have.
var repositories = func() *language {
	const (
		component = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
		host      = `(?:[a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*:[0-9]+|\[[0-9a-f:]+\](?::[0-9]+)?)`
	)
	l, err := newLanguage(`\A(?:` + host + `/)?` + component + `(?:/` + component + `)*\z`)
	if err != nil {
		panic(err) // it is written here
	}
	return l
}()

// usernames matches what {username} can stand for.
const usernames = `[a-z0-9]+(?:[._@-][a-z0-9]+)*`

// patternExpression is the language of the repositories that the name of a
// permission covers, username being an expression for {username}.
func patternExpression(name, username string) string {
	var text strings.Builder
	text.WriteString(`\A`)
	var deep, some bool
	for component := range strings.SplitSeq(name, "/") {
		if component == "**" {
			deep = true
			continue
		}
		switch {
		case deep && some:
			text.WriteString(`(?:/[^/]+)*/`)
		case deep:
			text.WriteString(`(?:[^/]+/)*`)
		case some:
			text.WriteString(`/`)
		}
		deep, some = false, true
		quoted := strings.ReplaceAll(quote(component), `\*`, `[^/]*`)
		text.WriteString(strings.ReplaceAll(quoted, quote(placeholder), username))
	}
	switch {
	case deep && some:
		text.WriteString(`(?:/[^/]+)*`)
	case deep:
		text.WriteString(`[^/]+(?:/[^/]+)*`)
	}
	return text.String() + `\z`
}

// expressionOf is the language of the names that match a pattern of docker_auth
// for one account. exact is false where it may hold more names.
func expressionOf(pattern, account string) (expression string, exact bool) {
	pattern = strings.ReplaceAll(pattern, marker, quote(account))
	if expression, ok := regularExpression(pattern); ok {
		if _, err := syntax.Parse(expression, syntax.Perl); err != nil {
			return nobody, true
		}
		return "(?:" + expression + ")", true
	}
	return globExpression(pattern)
}

// expressionOfAll is [expressionOf] for whatever account there can be.
func expressionOfAll(pattern string) (expression string, exact bool) {
	if !strings.Contains(pattern, marker) {
		return expressionOf(pattern, "")
	}
	if !standsAlone(pattern) {
		return "", false
	}
	// A letter that nothing else can be stands for the account at first: a
	// glob must not take the expression for its own.
	expression, _ = expressionOf(pattern, "\uffff")
	return strings.ReplaceAll(expression, "\uffff", "(?:"+usernames+")"), false
}

// standsAlone reports whether the marker of a pattern stands where it is only
// compared: in no class and behind no backslash.
func standsAlone(pattern string) bool {
	var inClass bool
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == marker[0] && inClass:
			return false
		case c == '\\':
			if i++; i < len(pattern) && pattern[i] == marker[0] {
				return false
			}
		case c == '[' && !inClass:
			inClass = true
			// A bracket that comes first in a class does not close it.
			if strings.HasPrefix(pattern[i+1:], "^") {
				i++
			}
			if strings.HasPrefix(pattern[i+1:], "]") {
				i++
			}
		case c == ']':
			inClass = false
		}
	}
	return true
}

// Bounds of the permissions that are tried for one pattern.
const (
	maxAlternatives = 32
	maxCandidates   = 64
)

// candidates are names of permissions that may cover what a pattern of
// docker_auth matches, the most general first. They are only guesses: whether
// they cover too much or too little is for others to find out.
func candidates(pattern string) []string {
	expression, ok := regularExpression(pattern)
	if !ok {
		expression, _ = globExpression(pattern)
	}
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil
	}
	var names []string
	for _, sequence := range alternatives(re.Simplify()) {
		for _, name := range sequence.unanchored().names() {
			permission := access.Permission{Type: access.Repository, Name: name, Actions: access.Pull}
			if permission.Validate() == nil && !slices.Contains(names, name) && len(names) < maxCandidates {
				names = append(names, name)
			}
		}
	}
	return names
}

// token is a part of a name: a text, or a wildcard.
type token struct {
	kind tokenKind
	text string
}

type tokenKind int

const (
	literal tokenKind = iota
	// star is any characters but slashes, deep any characters.
	star
	deep
	// begin and end are the anchors.
	begin
	end
	// unknown cannot be said.
	unknown
)

type tokens []token

// alternatives turns an expression into sequences of tokens, one for each way
// to choose.
func alternatives(re *syntax.Regexp) []tokens {
	one := func(t token) []tokens { return []tokens{{t}} }
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []tokens{nil}
	case syntax.OpLiteral:
		text := string(re.Rune)
		if re.Flags&syntax.FoldCase != 0 {
			text = strings.ToLower(text) // names have no upper case
		}
		return one(token{literal, text})
	case syntax.OpCharClass:
		return class(re)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return one(token{kind: star})
	case syntax.OpBeginText:
		return one(token{kind: begin})
	case syntax.OpEndText:
		return one(token{kind: end})
	case syntax.OpCapture:
		return alternatives(re.Sub[0])
	case syntax.OpQuest:
		return append(alternatives(re.Sub[0]), nil)
	case syntax.OpStar:
		return append(one(repeated(re.Sub[0])), nil)
	case syntax.OpPlus:
		if isCharacter(re.Sub[0]) {
			return one(repeated(re.Sub[0]))
		}
		return product(alternatives(re.Sub[0]), append(one(repeated(re.Sub[0])), nil))
	case syntax.OpConcat:
		all := []tokens{nil}
		for _, sub := range re.Sub {
			all = product(all, alternatives(sub))
		}
		return all
	case syntax.OpAlternate:
		var all []tokens
		for _, sub := range re.Sub {
			all = append(all, alternatives(sub)...)
		}
		return all[:min(len(all), maxAlternatives)]
	default:
		return one(token{kind: unknown})
	}
}

// product is each of the one followed by each of the other.
func product(one, other []tokens) []tokens {
	var all []tokens
	for _, a := range one {
		for _, b := range other {
			if len(all) < maxAlternatives {
				all = append(all, slices.Concat(a, b))
			}
		}
	}
	return all
}

// class is each character of a small class, and else a wildcard.
func class(re *syntax.Regexp) []tokens {
	var members []tokens
	for _, c := range nameCharacters + marker {
		if inClass(re, c) {
			members = append(members, tokens{{literal, string(c)}})
		}
	}
	if len(members) == 0 || len(members) > 8 {
		return []tokens{{{kind: star}}}
	}
	return members
}

func inClass(re *syntax.Regexp, c rune) bool {
	for i := 0; i+1 < len(re.Rune); i += 2 {
		if re.Rune[i] <= c && c <= re.Rune[i+1] {
			return true
		}
	}
	return false
}

func isCharacter(re *syntax.Regexp) bool {
	return re.Op == syntax.OpCharClass || re.Op == syntax.OpAnyChar || re.Op == syntax.OpAnyCharNotNL
}

// repeated is the wildcard for any number of what an expression matches.
func repeated(re *syntax.Regexp) token {
	if takesSlash(re) {
		return token{kind: deep}
	}
	return token{kind: star}
}

// takesSlash reports whether a match of the expression can hold a slash.
func takesSlash(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpCharClass:
		return inClass(re, '/')
	case syntax.OpLiteral:
		return slices.Contains(re.Rune, '/')
	default:
		return slices.ContainsFunc(re.Sub, takesSlash)
	}
}

// unanchored replaces anchors by the lack of any: where none stands, anything
// may come before or after.
func (t tokens) unanchored() tokens {
	if len(t) > 0 && t[0].kind == begin {
		t = t[1:]
	} else {
		t = slices.Concat(tokens{{kind: deep}}, t)
	}
	if len(t) > 0 && t[len(t)-1].kind == end {
		return t[:len(t)-1]
	}
	return slices.Concat(t, tokens{{kind: deep}})
}

// names writes the tokens as names of permissions, in each way that any
// characters can be said with * and **.
func (t tokens) names() []string {
	written := []string{""}
	for i, one := range t {
		var next []string
		for _, before := range written {
			switch one.kind {
			case literal:
				next = append(next, before+one.text)
			case star:
				next = append(next, before+"*")
			case deep:
				next = append(next, t.deep(i, before)...)
			default:
				return nil
			}
		}
		written = next[:min(len(next), maxCandidates)]
	}
	for i, name := range written {
		written[i] = strings.ReplaceAll(tidy(name), marker, placeholder)
	}
	return written
}

// deep writes any characters at one place, the most general way first.
func (t tokens) deep(i int, before string) []string {
	opens := before == "" || strings.HasSuffix(before, "/")
	closes := i+1 == len(t) || t[i+1].kind == literal && strings.HasPrefix(t[i+1].text, "/")
	switch {
	case opens && closes:
		return []string{before + wildComponents, before + "*/" + wildComponents, before + "*"}
	case opens:
		return []string{before + wildComponents + "/*", before + "*"}
	case closes:
		return []string{before + "*/" + wildComponents, before + "*"}
	default:
		return []string{before + "*/" + wildComponents + "/*", before + "*"}
	}
}

// wildComponents stands for ** until the stars of one component are put
// together.
const wildComponents = "\x01"

// tidy makes one * of several in a row.
func tidy(name string) string {
	components := strings.Split(name, "/")
	for i, component := range components {
		for strings.Contains(component, "**") {
			component = strings.ReplaceAll(component, "**", "*")
		}
		if rest := strings.Trim(component, wildComponents+"*"); rest == "" && strings.Contains(component, wildComponents) {
			component = "**"
		}
		components[i] = component
	}
	return strings.Join(components, "/")
}
