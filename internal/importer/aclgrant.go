package importer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/subject"
)

// aclImport turns rules into permissions.
type aclImport struct {
	*dockerAuth
	// sorted are the accounts by name, and others at the end.
	sorted []*account
	// applied are the rules that may apply to an account, in their order.
	applied map[access.Type]map[*account][]applied
	groups  map[string]subject.Ref
}

// rights carries the rules over.
func (d *dockerAuth) rights() {
	d.strangers()
	i := &aclImport{dockerAuth: d, applied: map[access.Type]map[*account][]applied{}, groups: map[string]subject.Ref{}}
	i.sorted = append(slices.SortedFunc(maps.Values(d.accounts), func(a, b *account) int { return cmp.Compare(a.name, b.name) }), others)
	for _, t := range []access.Type{access.Registry, access.Repository} {
		i.applied[t] = map[*account][]applied{}
		for _, a := range i.sorted {
			for _, r := range d.rules {
				if one := d.applies(r, a, t); one.verdict != no {
					i.applied[t][a] = append(i.applied[t][a], one)
				}
			}
		}
	}
	for _, r := range d.rules {
		i.rule(r)
	}
}

// rule carries one rule over.
func (i *aclImport) rule(r *aclRule) {
	l := losses{}
	for _, t := range []access.Type{access.Registry, access.Repository} {
		var order []access.Permission
		to := map[access.Permission][]*account{}
		for _, a := range i.sorted {
			n := slices.IndexFunc(i.applied[t][a], func(one applied) bool { return one.aclRule == r })
			if n < 0 {
				continue
			}
			one := i.applied[t][a][n]
			l.applies = l.applies || a != others
			switch {
			case one.gives == 0:
				continue
			case one.verdict == perhaps:
				l.uncertain(a, one.why)
				continue
			}
			for _, name := range one.names {
				p := access.Permission{Type: t, Name: name, Actions: one.gives}
				if to[p] == nil && p.Validate() == nil {
					order = append(order, p)
				}
				to[p] = append(to[p], a)
			}
		}
		for _, p := range order {
			i.permission(r, p, to[p], &l)
		}
	}
	l.tell(i, r)
}

// allowed says what the rules certainly give an account on every repository
// that a permission covers: no more than each rule that may decide about any of
// them. by is the rule that decides at the latest, and less the first that
// gives less than the permission.
func (i *aclImport) allowed(a *account, p access.Permission) (actions access.Actions, by, less *aclRule) {
	actions = access.All
	for _, r := range i.applied[p.Type][a] {
		if !r.meets(p.Name, a) {
			continue
		}
		if actions &= r.gives; less == nil && !r.gives.Has(p.Actions) {
			less = r.aclRule
		}
		if r.covers(p.Name, a) {
			return actions, r.aclRule, less
		}
	}
	return 0, nil, less
}

// permission carries over what one rule gives some accounts.
func (i *aclImport) permission(r *aclRule, p access.Permission, to []*account, l *losses) {
	got := map[*account]access.Actions{}
	lessBy := map[*account]*aclRule{}
	for _, a := range to {
		actions, by, less := i.allowed(a, p)
		if by == r {
			got[a], lessBy[a] = actions&p.Actions, less
		}
	}
	// What everybody may have goes to the built-in subjects.
	open := got[i.accounts[""]]
	if open != 0 {
		l.given = true
		i.grant(r, subject.Anonymous, access.Permission{Type: p.Type, Name: p.Name, Actions: open})
		i.tellWider(r, access.Permission{Type: p.Type, Name: p.Name, Actions: open})
	}
	shared := i.shared(p, got[others])
	if shared&^open != 0 {
		l.given = true
		i.grant(r, subject.Authenticated, access.Permission{Type: p.Type, Name: p.Name, Actions: shared})
	}
	var rest []access.Actions
	members := map[access.Actions][]*account{}
	for _, a := range to {
		actions, decided := got[a]
		if !decided {
			continue // a rule before it decides
		}
		has := actions
		if a.stranger {
			has = open | shared
		}
		if has |= open; !has.Has(p.Actions) {
			l.reduced(a, lessBy[a], has, p.Actions)
		}
		if actions &^= open | shared; actions != 0 && a.carried {
			if members[actions] == nil {
				rest = append(rest, actions)
			}
			members[actions] = append(members[actions], a)
		}
	}
	for _, actions := range rest {
		l.given = true
		// The rest of a permission is said with what it is the rest of: no client
		// pushes without pulling.
		whole := access.Permission{Type: p.Type, Name: p.Name, Actions: actions | (open|shared)&access.Pull}
		i.lift(r, whole, members[actions])
	}
}

// shared is what can be given to every user who logs in, of what others have:
// what no account has less of.
func (i *aclImport) shared(p access.Permission, actions access.Actions) access.Actions {
	for _, a := range i.sorted {
		if actions != 0 && a.name != "" && a.fits(p.Name) {
			has, _, _ := i.allowed(a, p)
			actions &= has
		}
	}
	return actions
}

// tellWider reports accounts that had less when logged in than without.
func (i *aclImport) tellWider(r *aclRule, p access.Permission) {
	var fewer []*account
	for _, a := range i.sorted {
		if has, _, _ := i.allowed(a, p); a.carried && !has.Has(p.Actions) {
			fewer = append(fewer, a)
		}
	}
	if len(fewer) > 0 {
		i.result.find(Warning, r.line, r.String(), "what needs no credentials, everyone may do here: %s also counts for %s, who had less when logged in", p, i.listed(fewer))
	}
}

// lift gives a permission of a rule to whom it is best given: the group of a
// label, a user, or a group of those whom the rule is about.
func (i *aclImport) lift(r *aclRule, p access.Permission, to []*account) {
	owner, labelled := i.labelGroup(r, p, to)
	switch {
	case labelled:
	case len(to) == 1:
		owner = subject.Ref{Kind: subject.User, Name: to[0].name}
		p.Name = to[0].fill(p.Name)
	default:
		owner = i.ruleGroup(r, to)
	}
	i.grant(r, owner, p)
}

// labelGroup finds the group of a label that the rule is about, if all that
// have the label may have the permission.
func (i *aclImport) labelGroup(r *aclRule, p access.Permission, to []*account) (subject.Ref, bool) {
	labels := slices.Sorted(maps.Keys(r.labels))
	for _, found := range labelSyntax.FindAllStringSubmatch(r.conditions[onName], -1) {
		labels = append(labels, found[1])
	}
	slices.Sort(labels)
	for _, label := range labels {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(to[0].labels[label]))) {
			members := slices.DeleteFunc(slices.Clone(i.sorted), func(a *account) bool { return !a.carried || !slices.Contains(a.labels[label], value) })
			pattern, asked := r.labels[label]
			if asked && !matchPattern(pattern, value) ||
				slices.ContainsFunc(to, func(a *account) bool { return !slices.Contains(members, a) }) ||
				slices.ContainsFunc(members, func(a *account) bool { has, _, _ := i.allowed(a, p); return !has.Has(p.Actions) }) {
				continue
			}
			return i.group("label "+label+"="+value, []string{value, label + "-" + value}, members, func(group subject.Ref) {
				i.result.find(Info, r.line, r.String(), "the label %s %q becomes %s, members: %s", printable.Clip(label), printable.Clip(value), group, i.listed(members))
			}), true
		}
	}
	return subject.Ref{}, false
}

// ruleGroup is a group for a rule that applies to several accounts.
func (i *aclImport) ruleGroup(r *aclRule, to []*account) subject.Ref {
	names := make([]string, len(to))
	for n, a := range to {
		names[n] = a.name
	}
	return i.group("members "+strings.Join(names, " "), []string{fmt.Sprintf("acl-rule-%d", r.number)}, to, func(group subject.Ref) {
		i.result.find(Info, r.line, r.String(), "it becomes %s, members: %s. Put accounts that are made later into it", group, i.listed(to))
	})
}
