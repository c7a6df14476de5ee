package importer

import (
	"regexp"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
)

// everyone stands for whoever may log in one day.
var everyone = &account{}

// aclLanguages compares rules and permissions, and remembers what it found.
type aclLanguages struct {
	languages map[string]*language
	related   map[[2]string]relation
	guesses   map[string][]string
}

// relation is how two languages relate.
type relation struct {
	within, meets bool
	outside, both string
}

func newACLLanguages() *aclLanguages {
	return &aclLanguages{map[string]*language{}, map[[2]string]relation{}, map[string][]string{}}
}

// language compiles an expression, or returns nil when it is too large.
func (c *aclLanguages) language(expression string) *language {
	l, known := c.languages[expression]
	if !known {
		l, _ = newLanguage(expression)
		c.languages[expression] = l
	}
	return l
}

// relate compares two languages of repositories. Where it cannot tell, it says
// that they meet and that the one is not within the other.
func (c *aclLanguages) relate(a, b string) relation {
	key := [2]string{a, b}
	r, known := c.related[key]
	if known {
		return r
	}
	if one, other := c.language(a), c.language(b); one == nil || other == nil {
		r = relation{meets: true}
	} else {
		r.within, r.outside = within(nameCharacters, repositories, one, other)
		r.meets, r.both = meets(nameCharacters, repositories, one, other)
	}
	c.related[key] = r
	return r
}

func (c *aclLanguages) candidates(pattern string) []string {
	names, known := c.guesses[pattern]
	if !known {
		names = candidates(pattern)
		c.guesses[pattern] = names
	}
	return names
}

// expression is the language of the repositories that a rule is about for an
// account. exact is false where it may hold more.
func (a applied) expression(account string) (expression string, exact bool) {
	return a.union(a.names, func(name string) (string, bool) { return expressionOf(name, account) })
}

// wide is [applied.expression] with everything that it may hold.
func (a applied) wide(account string) string {
	expression, _ := a.union(slices.Concat(a.names, a.also), func(name string) (string, bool) { return expressionOf(name, account) })
	return expression
}

// wideForAll is [applied.wide] for whatever account there can be.
func (a applied) wideForAll() string {
	expression, _ := a.union(slices.Concat(a.names, a.also), expressionOfAll)
	return expression
}

func (a applied) union(names []string, of func(string) (string, bool)) (expression string, exact bool) {
	if a.all {
		return "", true
	}
	exact = true
	var alternatives []string
	for _, name := range names {
		one, same := of(name)
		alternatives, exact = append(alternatives, one), exact && same
	}
	return strings.Join(alternatives, "|"), exact
}

// verdictOn is what the rules say of all repositories that a permission covers.
type verdictOn struct {
	// actions is what everybody gets on each of them for certain.
	actions access.Actions
	// by is the place of the rule that decides at the latest, -1 for none.
	by int
	// less is the place of the first rule that gives less than the one asked
	// about, and example a repository where it decides.
	less    int
	example string
}

// decide says what the rules give one account on every repository that the
// permission covers: no more than each rule that may decide about any of them.
// asked are the actions that somebody wants to carry over.
func (c *aclLanguages) decide(rules []applied, account, name string, asked access.Actions) verdictOn {
	v := verdictOn{actions: access.All, by: -1, less: -1}
	covered := patternExpression(name, quote(account))
	for i, r := range rules {
		wide := c.relate(covered, r.wide(account))
		if !wide.meets {
			continue
		}
		if v.less < 0 && !r.actions.Has(asked) {
			v.less, v.example = i, wide.both
		}
		v.actions &= r.actions
		if r.verdict != yes {
			continue
		}
		if expression, exact := r.expression(account); exact && c.relate(covered, expression).within {
			v.by = i
			return v
		}
	}
	v.actions = 0
	return v
}

// decideForEveryone is decide for whatever the name of the account is. The
// names of repositories and accounts that it compares stand for themselves or
// for any: a rule stands in the way when it does so for one account.
func (c *aclLanguages) decideForEveryone(rules []applied, name string) access.Actions {
	actions := access.All
	covered := patternExpression(name, usernames)
	for _, r := range rules {
		if !c.relate(covered, r.wideForAll()).meets {
			continue
		}
		actions &= r.actions
		if r.verdict == yes && c.covers(r, name) {
			return actions
		}
	}
	return 0
}

// someNames stand for all accounts where a rule and a permission both depend on
// the name: each letter and digit, and some longer names.
var someNames = func() []string {
	names := []string{"somebody", "m0.x-9_q", "a-1"}
	for _, c := range nameCharacters[:36] {
		names = append(names, string(c))
	}
	return names
}()

// covers reports whether a rule is about every repository that a permission
// covers, whoever asks.
func (c *aclLanguages) covers(r applied, name string) bool {
	if !slices.ContainsFunc(r.names, func(n string) bool { return strings.Contains(n, marker) }) {
		expression, exact := r.expression("")
		return exact && c.relate(patternExpression(name, usernames), expression).within
	}
	return !slices.ContainsFunc(someNames, func(account string) bool {
		expression, exact := r.expression(account)
		return !exact || !c.relate(patternExpression(name, quote(account)), expression).within
	})
}

// rulesForEveryone says how the rules apply to whoever may log in one day.
func (d *dockerAuth) rulesForEveryone(t access.Type) []applied {
	var rules []applied
	for _, r := range d.rules {
		a := d.applies(r, everyone, t)
		a.verdict = d.verdictForEveryone(r, t)
		name, named := r.conditions[onName]
		if partOfOthers.MatchString(name) {
			a.all = true
		}
		if named && a.all {
			a.verdict = min(a.verdict, perhaps)
		}
		if a.verdict != no {
			rules = append(rules, a)
		}
	}
	return rules
}

// partOfOthers finds labels and captures in a pattern, which are those of one
// account.
var partOfOthers = regexp.MustCompile(`\$\{(?:labels:|.+?:\d+\})`)

func (d *dockerAuth) verdictForEveryone(r *aclRule, t access.Type) verdict {
	result := yes
	if r.odd != "" || r.ip || len(r.labels) > 0 {
		result = perhaps
	}
	v := variables{rule: r, account: everyone, kind: string(t), service: d.options.Service}
	for condition, text := range map[string]string{onType: string(t), onService: d.options.Service} {
		pattern, ok := r.conditions[condition]
		switch {
		case !ok:
		case strings.Contains(pattern, "${") || condition == onService && d.options.Service == "":
			result = min(result, perhaps)
		default:
			result = min(result, v.matches(pattern, text))
		}
	}
	pattern, ok := r.conditions[onAccount]
	if !ok {
		return result
	}
	if strings.Contains(pattern, "${") {
		return min(result, perhaps)
	}
	return min(result, matchesUsernames(pattern))
}

// matchesUsernames says whether a pattern matches all names that users can
// have, or none of them.
func matchesUsernames(pattern string) verdict {
	const characters = "abcdefghijklmnopqrstuvwxyz0123456789._@-"
	expression, exact := expressionOf(pattern, "")
	all, err := newLanguage(`\A` + usernames + `\z`)
	if err != nil {
		return perhaps
	}
	some, err := newLanguage(expression)
	if err != nil {
		return perhaps
	}
	if met, _ := meets(characters, all, all, some); !met {
		return no
	}
	if ok, _ := within(characters, all, all, some); ok && exact {
		return yes
	}
	return perhaps
}
