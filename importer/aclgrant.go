package importer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/subject"
)

// aclImport turns rules into permissions.
type aclImport struct {
	*dockerAuth
	languages *aclLanguages
	// sorted are the accounts by name.
	sorted []*account
	// applied are the rules that apply to an account, in their order; everyone
	// is among the accounts.
	applied map[*account][]applied
	// given are the permissions of each rule, and to whom.
	given map[*aclRule]*grants
	// losses say for each rule what is not carried over.
	losses map[*aclRule]*losses
	groups map[string]subject.Ref
}

// grants are permissions in the order in which they were found.
type grants struct {
	order []access.Permission
	to    map[access.Permission][]*account
}

func (g *grants) add(p access.Permission, a *account) {
	if _, known := g.to[p]; !known {
		g.order = append(g.order, p)
	}
	g.to[p] = append(g.to[p], a)
}

// rights carries the rules over.
func (d *dockerAuth) rights() {
	i := &aclImport{
		dockerAuth: d, languages: newACLLanguages(), sorted: slices.SortedFunc(maps.Values(d.accounts), func(a, b *account) int { return cmp.Compare(a.name, b.name) }),
		applied: map[*account][]applied{everyone: d.rulesForEveryone(access.Repository)},
		given:   map[*aclRule]*grants{}, losses: map[*aclRule]*losses{}, groups: map[string]subject.Ref{},
	}
	for _, r := range d.rules {
		i.given[r], i.losses[r] = &grants{to: map[access.Permission][]*account{}}, &losses{}
	}
	for _, a := range i.sorted {
		for _, r := range d.rules {
			if applied := d.applies(r, a, access.Repository); applied.verdict != no {
				i.applied[a] = append(i.applied[a], applied)
			}
		}
		i.repositories(a)
		i.catalog(a)
	}
	for _, r := range d.rules {
		i.losses[r].tell(d.result, r)
		for _, p := range i.given[r].order {
			i.lift(r, p, i.given[r].to[p])
		}
	}
}

// repositories finds what one account gets on repositories.
func (i *aclImport) repositories(a *account) {
	rules := i.applied[a]
	for at, r := range rules {
		l := i.losses[r.aclRule]
		l.applies = true
		if r.verdict == perhaps {
			l.uncertain(r, i.options)
			l.lost = l.lost || r.actions != 0
			continue
		}
		if r.actions == 0 {
			continue
		}
		i.repositoriesOf(a, rules, at)
	}
}

// repositoriesOf finds what one rule gives one account.
func (i *aclImport) repositoriesOf(a *account, rules []applied, at int) {
	r, l := rules[at], i.losses[rules[at].aclRule]
	patterns := r.names
	if r.all {
		patterns = []string{`/^.*$/`}
	}
	// What is covered by the permissions, or decided before this rule.
	var settled []string
	for _, pattern := range patterns {
		for _, name := range i.languages.candidates(pattern) {
			covered := patternExpression(name, quote(a.name))
			if len(settled) > 0 && i.languages.relate(covered, strings.Join(settled, "|")).within {
				continue
			}
			v := i.languages.decide(rules[:at+1], a.name, name, r.actions)
			switch actions := v.actions & r.actions; {
			case v.by < 0:
				continue
			case v.by < at:
				settled = append(settled, covered)
				continue
			case actions != 0:
				i.given[r.aclRule].add(access.Permission{Type: access.Repository, Name: name, Actions: actions}, a)
				l.given = true
			}
			settled = append(settled, covered)
			if v.less >= 0 && v.less < at {
				l.reduce(a, rules[v.less].aclRule, v)
			}
		}
	}
	rest, _ := r.expression(a.name)
	if missing := i.languages.relate(rest, strings.Join(append(settled, nobody), "|")); !missing.within {
		l.uncovered, l.example = append(l.uncovered, a), missing.outside
	}
}

// catalog finds whether an account may list all repositories, which one
// evaluation tells for certain.
func (i *aclImport) catalog(a *account) {
	for _, r := range i.rules {
		applied := i.applies(r, a, access.Registry)
		if applied.verdict == no || !applied.all && !applied.matchesCatalog(a) {
			continue
		}
		l := i.losses[r]
		l.applies = true
		if applied.verdict == perhaps {
			l.uncertain(applied, i.options)
			l.lost = l.lost || r.catalog
		}
		switch {
		case !r.catalog:
			return
		case applied.verdict == yes:
			i.given[r].add(access.Catalog, a)
			l.given = true
			return
		}
	}
}

func (a applied) matchesCatalog(who *account) bool {
	return slices.ContainsFunc(a.names, func(pattern string) bool {
		return matchPattern(strings.ReplaceAll(pattern, marker, quote(who.name)), access.Catalog.Name)
	})
}

// lift gives a permission of a rule to whom it is best given.
func (i *aclImport) lift(r *aclRule, p access.Permission, to []*account) {
	if slices.ContainsFunc(to, func(a *account) bool { return a.name == "" }) {
		i.grant(subject.Anonymous, p)
		i.tellWider(r, p)
		return // what anonymous may do, everyone may
	}
	switch owner, group := i.labelGroup(r, p, to); {
	case i.suitsEveryone(r, p):
		i.grant(subject.Authenticated, p)
	case group:
		i.grant(owner, p)
	case len(to) == 1:
		owner := subject.Ref{Kind: subject.User, Name: to[0].name}
		own := p
		own.Name = strings.ReplaceAll(p.Name, placeholder, owner.Name)
		if own.Validate() == nil {
			p = own
		}
		i.grant(owner, p)
	default:
		i.grant(i.ruleGroup(r, to), p)
	}
}

// suitsEveryone reports whether a permission can be given to whoever logs in.
func (i *aclImport) suitsEveryone(r *aclRule, p access.Permission) bool {
	if i.verdictForEveryone(r, p.Type) != yes || !i.permittedTo(everyone, p) {
		return false
	}
	return !slices.ContainsFunc(i.sorted, func(a *account) bool { return a.name != "" && !i.permittedTo(a, p) })
}

// permittedTo reports whether the rules give an account, for certain, what a
// permission gives.
func (i *aclImport) permittedTo(a *account, p access.Permission) bool {
	switch {
	case p.Type == access.Registry && a == everyone:
		return i.catalogForEveryone()
	case p.Type == access.Registry:
		return slices.ContainsFunc(slices.Collect(maps.Values(i.given)), func(g *grants) bool {
			return slices.Contains(g.to[access.Catalog], a)
		})
	case a == everyone:
		return i.languages.decideForEveryone(i.applied[everyone], p.Name).Has(p.Actions)
	default:
		return i.languages.decide(i.applied[a], a.name, p.Name, p.Actions).actions.Has(p.Actions)
	}
}

func (i *aclImport) catalogForEveryone() bool {
	for _, r := range i.rulesForEveryone(access.Registry) {
		certain := r.all || !slices.ContainsFunc(r.names, func(n string) bool { return strings.Contains(n, marker) })
		if !r.all && certain && !r.matchesCatalog(everyone) {
			continue
		}
		switch {
		case !r.catalog:
			return false
		case r.verdict == yes && certain:
			return true
		}
	}
	return false
}

// tellWider tells of accounts that had less when logged in than without.
func (i *aclImport) tellWider(r *aclRule, p access.Permission) {
	var fewer []*account
	for _, a := range i.sorted {
		if a.name != "" && !i.permittedTo(a, p) {
			fewer = append(fewer, a)
		}
	}
	if len(fewer) > 0 {
		i.result.find(Warning, r.line, r.String(), "what needs no credentials, everyone may do here: %s also counts for %s, who had less when logged in", p, listed(fewer))
	}
}

// labelGroup finds the group of a label that the rule is about, if all that
// have the label may have the permission.
func (i *aclImport) labelGroup(r *aclRule, p access.Permission, to []*account) (subject.Ref, bool) {
	for _, label := range i.labelsOf(r) {
		labelled := map[string][]*account{}
		for _, a := range i.sorted {
			for _, value := range a.labels[label] {
				if a.name != "" && !slices.Contains(labelled[value], a) {
					labelled[value] = append(labelled[value], a)
				}
			}
		}
		for _, value := range slices.Sorted(maps.Keys(labelled)) {
			members := labelled[value]
			if i.suits(r, label, value) && !missesAny(members, to) &&
				!slices.ContainsFunc(members, func(a *account) bool { return !slices.Contains(to, a) && !i.permittedTo(a, p) }) {
				return i.group("label "+label+"="+value, []string{value, label + "-" + value}, members, func(group subject.Ref) {
					i.result.find(Info, r.line, r.String(), "the label %s %q becomes %s, members: %s", clip(label), clip(value), group, listed(members))
				}), true
			}
		}
	}
	return subject.Ref{}, false
}

// missesAny reports whether some account of wanted is not among members.
func missesAny(members, wanted []*account) bool {
	return slices.ContainsFunc(wanted, func(a *account) bool { return !slices.Contains(members, a) })
}

// labelsOf lists the labels that a rule mentions.
func (i *aclImport) labelsOf(r *aclRule) []string {
	labels := map[string]bool{}
	for label := range r.labels {
		labels[label] = true
	}
	for _, a := range i.sorted {
		for label := range a.labels {
			for _, pattern := range r.conditions {
				labels[label] = labels[label] || strings.Contains(pattern, "${labels:"+label+"}")
			}
		}
	}
	maps.DeleteFunc(labels, func(_ string, mentioned bool) bool { return !mentioned })
	return slices.Sorted(maps.Keys(labels))
}

// suits reports whether a rule asks for this value of a label, where it asks
// for one.
func (i *aclImport) suits(r *aclRule, label, value string) bool {
	pattern, asked := r.labels[label]
	return !asked || matchPattern(pattern, value)
}

// ruleGroup is a group for a rule that applies to several accounts.
func (i *aclImport) ruleGroup(r *aclRule, to []*account) subject.Ref {
	names := make([]string, len(to))
	for n, a := range to {
		names[n] = a.name
	}
	return i.group("members "+strings.Join(names, " "), []string{fmt.Sprintf("acl-rule-%d", r.number)}, to, func(group subject.Ref) {
		i.result.find(Info, r.line, r.String(), "it becomes %s, members: %s. Put accounts that are made later into it", group, listed(to))
	})
}

// group returns the group that was made for something, or makes it under the
// first name that is free.
func (i *aclImport) group(purpose string, names []string, members []*account, made func(subject.Ref)) subject.Ref {
	if ref, known := i.groups[purpose]; known {
		return ref
	}
	ref := subject.Ref{Kind: subject.Group, Name: i.freeName(names)}
	i.names[ref.Name], i.groups[purpose] = ref, ref
	s := state.Subject{Ref: ref}
	for _, a := range members {
		s.Members = append(s.Members, subject.Ref{Kind: subject.User, Name: a.name})
	}
	i.result.Document.Subjects = append(i.result.Document.Subjects, s)
	made(ref)
	return ref
}

// freeName is the first of some names that nobody has, made valid, or the last
// with a number.
func (i *aclImport) freeName(names []string) string {
	var name string
	for _, name = range names {
		name = validName(name)
		if _, taken := i.names[name]; !taken {
			return name
		}
	}
	for n := 2; ; n++ {
		numbered := fmt.Sprintf("%s-%d", name, n)
		if _, taken := i.names[numbered]; !taken {
			return numbered
		}
	}
}

// validName replaces what a name cannot have.
func validName(s string) string {
	const most = subject.MaxNameLength - 8 // room for a number
	var name strings.Builder
	for _, c := range strings.ToLower(s) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			name.WriteRune(c)
		} else if !strings.HasSuffix(name.String(), "-") {
			name.WriteByte('-')
		}
	}
	cut := name.String()
	if subject.ValidateName(s) == nil {
		cut = s
	}
	cut = strings.Trim(cut[:min(len(cut), most)], "-._@")
	if cut == "" {
		return "group"
	}
	return cut
}

// grant adds a permission to a subject of the document, which is made when it
// is built in.
func (i *aclImport) grant(to subject.Ref, p access.Permission) {
	document := i.result.Document
	at := slices.IndexFunc(document.Subjects, func(s state.Subject) bool { return s.Ref == to })
	if at < 0 {
		at = len(document.Subjects)
		document.Subjects = append(document.Subjects, state.Subject{Ref: to})
	}
	s := &document.Subjects[at]
	for n := range s.Permissions {
		if held := &s.Permissions[n]; held.Type == p.Type && held.Name == p.Name {
			held.Actions |= p.Actions
			return
		}
	}
	s.Permissions = append(s.Permissions, p)
}
