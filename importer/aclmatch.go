package importer

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dockit-registry/dockit/access"
)

// marker stands for the name of an account in a pattern, where the pattern is
// about to become that of a permission. It is in no name and no configuration.
const marker = "\x00"

// maxCombinations bounds how many ways there are to put labels into a pattern.
const maxCombinations = 256

// verdict says whether a rule applies.
type verdict int

const (
	no verdict = iota
	// perhaps depends on what cannot be known beforehand, such as an address.
	perhaps
	yes
)

// applied is a rule as it applies to one account, for repositories.
type applied struct {
	*aclRule
	verdict verdict
	// names are the patterns of which a repository must match one, with the
	// marker for the account. Without any it is every repository.
	names []string
	all   bool
	// also are further patterns of which a repository may match one.
	also []string
}

// applies says whether and how a rule applies to an account for a type.
func (d *dockerAuth) applies(r *aclRule, a *account, t access.Type) applied {
	result := applied{aclRule: r, verdict: yes}
	if r.odd != "" || r.ip {
		result.verdict = perhaps
	}
	v := variables{rule: r, account: a, kind: string(t), service: d.options.Service}
	weaken := func(to verdict) { result.verdict = min(result.verdict, to) }
	for label, pattern := range r.labels {
		weaken(v.label(label, pattern))
	}
	names, dependent := v.name()
	if pattern, ok := r.conditions[onAccount]; ok {
		if own, ok := v.ownComponent(pattern); ok {
			names, dependent = own, false
			// What a group takes is put in as a pattern, and brackets are not
			// taken literally there.
			result.also = []string{`/\[/`}
		} else {
			weaken(v.matches(pattern, a.name))
		}
	}
	if pattern, ok := r.conditions[onType]; ok {
		weaken(v.matches(pattern, string(t)))
	}
	if pattern, ok := r.conditions[onService]; ok {
		if d.options.Service == "" {
			weaken(perhaps)
		} else {
			weaken(v.matches(pattern, d.options.Service))
		}
	}
	switch {
	case dependent:
		weaken(perhaps)
		result.all = true
	case names == nil:
		result.all = true
	default:
		result.names = names
	}
	return result
}

// variables puts values into the patterns of a rule.
type variables struct {
	rule    *aclRule
	account *account
	kind    string
	service string
}

var captureSyntax = regexp.MustCompile(`\$\{(.+?):(\d+)\}`)

// values are the placeholders and what they stand for. dependent tells of a
// pattern whether it holds one whose value is not known beforehand.
func (v variables) values(account string) (pairs []string, dependent func(pattern string) bool) {
	pairs = []string{"${account}", account, "${type}", regexp.QuoteMeta(v.kind)}
	unknown := []string{"${name}"}
	if v.service == "" {
		unknown = append(unknown, "${service}")
	} else {
		pairs = append(pairs, "${service}", regexp.QuoteMeta(v.service))
	}
	for _, condition := range patternConditions {
		for _, found := range captureSyntax.FindAllStringSubmatch(v.rule.conditions[condition], -1) {
			key := strings.ToLower(found[1][:1]) + found[1][1:]
			text := map[string]string{onAccount: v.account.name, onType: v.kind, onService: v.service}
			from, isPattern := regularExpression(v.rule.conditions[key])
			switch known, isKnown := text[key]; {
			case !isPattern || !slices.Contains(patternConditions, key):
			case !isKnown || key == onService && v.service == "":
				unknown = append(unknown, found[0])
			default:
				if captured, ok := capture(from, known, found[2]); ok {
					pairs = append(pairs, found[0], captured)
				}
			}
		}
	}
	return pairs, func(pattern string) bool {
		return slices.ContainsFunc(unknown, func(placeholder string) bool { return strings.Contains(pattern, placeholder) })
	}
}

// capture is what a group of an expression takes out of a text.
func capture(expression, text, group string) (string, bool) {
	re, err := regexp.Compile(expression)
	if err != nil {
		return "", false
	}
	found := re.FindStringSubmatch(text)
	n, err := strconv.Atoi(group)
	if err != nil || n < 1 || n >= len(found) {
		return "", false
	}
	return found[n], true
}

// expand returns the patterns that a pattern stands for: one, and further ones
// with the labels of the account put in. It reports false when that cannot be
// known.
func (v variables) expand(pattern, account string) ([]string, bool) {
	if !strings.Contains(pattern, "${") {
		return []string{pattern}, true
	}
	pairs, dependent := v.values(account)
	if dependent(pattern) {
		return nil, false
	}
	combinations := [][]string{nil}
	for _, label := range slices.Sorted(maps.Keys(v.account.labels)) {
		placeholder := "${labels:" + label + "}"
		if !strings.Contains(pattern, placeholder) {
			continue
		}
		var more [][]string
		for _, combination := range combinations {
			for _, value := range v.account.labels[label] {
				more = append(more, append(slices.Clone(combination), placeholder, value))
			}
		}
		if len(more) > maxCombinations {
			return nil, false
		}
		combinations = more
	}
	patterns := []string{strings.NewReplacer(pairs...).Replace(pattern)}
	for _, combination := range combinations {
		if len(combination) > 0 {
			patterns = append(patterns, strings.NewReplacer(append(slices.Clone(pairs), combination...)...).Replace(pattern))
		}
	}
	return patterns, true
}

// matches says whether a text, which is known, matches a pattern.
func (v variables) matches(pattern, text string) verdict {
	patterns, known := v.expand(pattern, regexp.QuoteMeta(v.account.name))
	switch {
	case !known:
		return perhaps
	case slices.ContainsFunc(patterns, func(p string) bool { return matchPattern(p, text) }):
		return yes
	default:
		return no
	}
}

// label says whether one of the account's values of a label matches. Labels are
// not put into these patterns.
func (v variables) label(label, pattern string) verdict {
	pairs, dependent := v.values(regexp.QuoteMeta(v.account.name))
	if dependent(pattern) {
		return perhaps
	}
	pattern = strings.NewReplacer(pairs...).Replace(pattern)
	if slices.ContainsFunc(v.account.labels[label], func(value string) bool { return matchPattern(pattern, value) }) {
		return yes
	}
	return no
}

// name returns the patterns for the name of a repository, with the marker for
// the account; none is every name. They may depend on what is not known.
func (v variables) name() (patterns []string, dependent bool) {
	pattern, ok := v.rule.conditions[onName]
	if !ok {
		return nil, false
	}
	patterns, known := v.expand(pattern, marker)
	return patterns, !known
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

var nameCapture = regexp.MustCompile(`^\$\{[nN]ame:([1-9]\d?)\}$`)

// ownComponent handles a rule whose account is what a group of the expression
// for the name takes, such as the first component. The patterns that it
// returns are for the names where that is the account.
//
// It does so only where the group is a whole component, always the same one by
// number: then there is but one way to match, and to put the account in place
// of the group says the same.
func (v variables) ownComponent(account string) ([]string, bool) {
	found := nameCapture.FindStringSubmatch(account)
	expression, ok := regularExpression(v.rule.conditions[onName])
	if found == nil || !ok || strings.Contains(expression, "${") || v.account.name == "" {
		return nil, false
	}
	group, err := strconv.Atoi(found[1])
	if err != nil {
		return nil, false
	}
	with, ok := replaceComponent(expression, group, v.account.name)
	if !ok {
		return nil, false
	}
	return []string{"/" + with + "/"}, true
}
