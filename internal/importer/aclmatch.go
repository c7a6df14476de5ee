package importer

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/subject"
)

// account is a caller to whom rules may apply.
type account struct {
	name   string
	labels map[string][]string
	// carried says that the account becomes a user.
	carried bool
	// stranger says that it is not in the file and may come from somewhere else,
	// with whatever labels.
	stranger bool
}

// others stands for all strangers whom no rule names.
var others = &account{stranger: true}

// fill puts the name of an account into the name of a permission. What others
// are called is no account's name.
func (a *account) fill(name string) string {
	if a == others {
		return strings.ReplaceAll(name, placeholder, marker)
	}
	return strings.ReplaceAll(name, placeholder, a.name)
}

// fits reports whether {username} can stand for the account.
func (a *account) fits(name string) bool {
	return !strings.Contains(name, placeholder) || a.name != "" && !strings.Contains(a.name, "@") || a == others
}

// verdict says whether a rule applies.
type verdict int

const (
	no verdict = iota
	// perhaps depends on what cannot be known beforehand, such as an address.
	perhaps
	yes
)

// applied is a rule as it applies to one account.
type applied struct {
	*aclRule
	verdict verdict
	// names are those of permissions, of which a repository must match one.
	names []string
	gives access.Actions
	// why says what cannot be known, where the verdict is perhaps.
	why string
}

// covers reports whether the rule is certainly about every repository that a
// permission of this name covers for the account.
func (r applied) covers(name string, a *account) bool {
	return r.verdict == yes && slices.ContainsFunc(r.names, func(n string) bool { return within(a.fill(name), a.fill(n)) })
}

// meets reports whether the rule may be about one of these repositories.
func (r applied) meets(name string, a *account) bool {
	wide := func(name string) string { return strings.ReplaceAll(a.fill(name), marker, "*") }
	return slices.ContainsFunc(r.names, func(n string) bool {
		// What a group takes is compared as a pattern there, and [::1] is one.
		return meets(wide(name), wide(n)) || r.own > 0 && meets(wide(name), strings.ReplaceAll(n, placeholder, "*"))
	})
}

// applies says whether and how a rule applies to an account for a type.
func (d *dockerAuth) applies(r *aclRule, a *account, t access.Type) applied {
	result := applied{aclRule: r, verdict: yes, gives: r.actions}
	uncertain := func(why string) {
		if result.verdict == yes {
			result.verdict, result.why = perhaps, why
		}
	}
	if r.odd != "" {
		uncertain(r.odd)
	}
	if r.ip {
		uncertain("it asks for the address of the client, which permissions do not know")
	}
	texts := map[string]string{onAccount: a.name, onType: string(t), onService: d.options.Service}
	for _, condition := range []string{onAccount, onType, onService} {
		text := texts[condition]
		pattern, asked := r.conditions[condition]
		switch {
		case !asked:
		case condition == onService && text == "":
			uncertain("it asks for the service, and permissions hold for every one: say with --service which one Dockit serves")
		case condition == onAccount && r.own > 0:
			if a.name == "" && a != others {
				return applied{aclRule: r}
			}
		case strings.Contains(pattern, "${"):
			uncertain("its " + condition + " depends on something else, which permissions cannot say")
		case condition == onAccount && a == others:
			switch matchesNames(pattern) {
			case no:
				return applied{aclRule: r}
			case perhaps:
				uncertain("its account is some of those who are not in this file")
			case yes:
			}
		case !matchPattern(pattern, text):
			return applied{aclRule: r}
		}
	}
	for label, pattern := range r.labels {
		switch {
		case a.stranger:
			uncertain("it asks for labels, which only users of this file have here")
		case strings.Contains(pattern, "${"):
			uncertain("a label depends on something else, which permissions cannot say")
		case !slices.ContainsFunc(a.labels[label], func(value string) bool { return matchPattern(pattern, value) }):
			return applied{aclRule: r}
		}
	}
	var exact bool
	if result.names, exact = r.names(a); !exact {
		uncertain("its name " + strconv.Quote(printable.Clip(r.conditions[onName])) + " cannot be said with *, ** and {username}")
	}
	if len(result.names) == 0 {
		return applied{aclRule: r}
	}
	if t == access.Registry {
		if !result.meets(access.Catalog.Name, a) {
			return applied{aclRule: r}
		}
		if !result.covers(access.Catalog.Name, a) {
			uncertain("it names the catalog only for some")
		}
		result.names, result.gives = []string{access.Catalog.Name}, 0
		if r.catalog {
			result.gives = access.All
		}
	}
	return result
}

// matchesNames says whether a pattern for accounts matches all names that users
// can have, except those that a rule names, or none of them.
func matchesNames(pattern string) verdict {
	if literal(pattern) {
		return no
	}
	if name, exact := permissionName(pattern, 0); exact && (name == anyName || name == "*") || pattern == "?*" || pattern == "*?" {
		return yes
	}
	return perhaps
}

// literal reports whether a pattern matches one text only: itself.
func literal(pattern string) bool {
	_, expression := regularExpression(pattern)
	return !expression && !strings.ContainsAny(pattern, `*?[\`) && !strings.Contains(pattern, "${")
}

// strangers are the names in rules that no user in the file has.
func (d *dockerAuth) strangers() {
	for _, r := range d.rules {
		name, asked := r.conditions[onAccount]
		if asked && literal(name) && d.accounts[name] == nil && subject.ValidateName(name) == nil {
			d.accounts[name] = &account{name: name, stranger: true}
		}
	}
}

// maxCombinations bounds how many ways there are to put labels into a pattern.
const maxCombinations = 256

// names are the names of permissions for the repositories that a rule is about
// for an account. They match more where they are not exact.
func (r *aclRule) names(a *account) (names []string, exact bool) {
	pattern, asked := r.conditions[onName]
	if !asked {
		return []string{anyName}, true
	}
	who := marker
	if a.name == "" && a != others {
		who = ""
	}
	patterns := []string{strings.ReplaceAll(pattern, "${account}", who)}
	for _, found := range labelSyntax.FindAllStringSubmatch(pattern, -1) {
		var filled []string
		if a.stranger || len(patterns)*len(a.labels[found[1]]) > maxCombinations {
			return []string{anyName}, false
		}
		for _, p := range patterns {
			for _, value := range a.labels[found[1]] {
				if strings.Contains(value, "${") {
					return []string{anyName}, false
				}
				filled = append(filled, strings.ReplaceAll(p, found[0], value))
			}
		}
		patterns = filled
	}
	exact = true
	for _, p := range patterns {
		if strings.Contains(p, "${") {
			return []string{anyName}, false
		}
		name, same := permissionName(p, r.own)
		exact = exact && same && (r.own == 0 || strings.Contains(name, placeholder))
		impossible := exact && (!a.fits(name) || slices.Contains(strings.Split(name, "/"), ""))
		if !impossible && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if _, plain := permissionName(labelSyntax.ReplaceAllString(pattern, "x"), 0); len(patterns) == 0 && !plain {
		return []string{anyName}, false
	}
	return names, exact
}

var (
	labelSyntax = regexp.MustCompile(`\$\{labels:([^{}]*)\}`)
	nameCapture = regexp.MustCompile(`^\$\{name:([1-9])\}$`)
)
