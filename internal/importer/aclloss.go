package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/printable"
)

// losses are what of one rule is not carried over.
type losses struct {
	// applies says that the rule may apply to an account that has a name in the
	// file, and given that something is carried over.
	applies, given bool
	list           []*loss
}

// loss is what some accounts do not get, and why.
type loss struct {
	// why says what cannot be known; otherwise by is the rule before that gives
	// less, or nil.
	why string
	by  *aclRule
	// left is what they get all the same.
	left, missing access.Actions
	who           []*account
}

func (l *losses) uncertain(a *account, why string) {
	l.add(a, loss{why: why})
}

func (l *losses) reduced(a *account, by *aclRule, left, wanted access.Actions) {
	l.add(a, loss{by: by, left: left & wanted, missing: wanted &^ left})
}

func (l *losses) add(a *account, one loss) {
	at := slices.IndexFunc(l.list, func(known *loss) bool {
		return known.why == one.why && known.by == one.by && known.left == one.left && known.missing == one.missing
	})
	if at < 0 {
		at = len(l.list)
		l.list = append(l.list, &one)
	}
	if !slices.Contains(l.list[at].who, a) {
		l.list[at].who = append(l.list[at].who, a)
	}
}

// tell turns the losses into findings.
func (l *losses) tell(i *aclImport, r *aclRule) {
	var told bool
	for _, one := range l.list {
		// Strangers matter where they can log in, or are whom the rule names.
		one.who = slices.DeleteFunc(one.who, func(a *account) bool {
			return a.stranger && i.elsewhere == nil && (a == others || r.conditions[onAccount] != a.name)
		})
		if len(one.who) == 0 {
			continue
		}
		told = true
		i.result.find(Warning, r.line, r.String(), "%s", one.tell(i, r, l.given))
	}
	gives := r.actions != 0 || r.catalog
	switch {
	case told || l.given || !gives:
	case !l.applies:
		i.result.find(Warning, r.line, r.String(), "not carried over: it applies to none of the users in this file: %s", i.byHand(r, r.actions, others))
	default:
		i.result.find(Info, r.line, r.String(), "there is nothing to carry over: rules before it decide first, or no repository can have such a name")
	}
}

func (l *loss) tell(i *aclImport, r *aclRule, given bool) string {
	who := i.listed(l.who)
	if l.why != "" {
		part := "not carried over"
		if given {
			part = "carried over in part, not"
		}
		return fmt.Sprintf("%s for %s: %s: %s", part, who, l.why, i.byHand(r, r.actions, l.who...))
	}
	left := "nothing"
	if l.left != 0 {
		left = "only " + l.left.String()
	}
	why := "permissions only add up, and have no exceptions"
	switch {
	case l.by != nil:
		why = fmt.Sprintf("%s comes first and gives less on some of these repositories; %s", l.by, why)
	case slices.Contains(l.who, others):
		why = "what all who log in may do would be more than some who are named in this file had"
	default:
		why = "who is not in this file: add the user"
	}
	return fmt.Sprintf("%s is carried over for %s: %s: %s", left, who, why, i.byHand(r, l.missing, l.who...))
}

// byHand says how to grant what is not carried over: with the name of the rule
// where no rule before it gives less there.
func (i *aclImport) byHand(r *aclRule, missing access.Actions, who ...*account) string {
	ref := "REF"
	if account := r.conditions[onAccount]; len(who) == 1 && who[0] != others {
		ref = "user:" + who[0].display()
	} else if account != "" && literal(account) {
		ref = "user:" + account
	}
	if missing == 0 {
		missing = r.actions
	}
	p := access.Permission{Type: access.Repository, Name: "NAME", Actions: missing}
	if names, exact := r.names(who[0]); exact && len(names) == 1 && !slices.ContainsFunc(who, func(a *account) bool { return i.hindered(r, a, names[0], missing) }) {
		p.Name = names[0]
	}
	if missing == 0 {
		p = access.Catalog
	}
	return fmt.Sprintf("grant by hand what is meant: rbac grant %s '%s'", ref, p)
}

// hindered reports whether a rule before gives an account less.
func (i *aclImport) hindered(r *aclRule, a *account, name string, actions access.Actions) bool {
	return slices.ContainsFunc(i.applied[access.Repository][a], func(before applied) bool {
		return before.number < r.number && !before.gives.Has(actions) && before.meets(name, a)
	})
}

func (a *account) display() string {
	if a.name == "" {
		return "anonymous"
	}
	return a.name
}

// listed names a few accounts and counts the others.
func (i *aclImport) listed(accounts []*account) string {
	names := make([]string, 0, len(accounts))
	for _, a := range accounts {
		if a == others {
			names = append(names, "users who are not in this file ("+strings.Join(i.elsewhere, ", ")+")")
		} else {
			names = append(names, a.display())
		}
	}
	return printable.Some(names)
}
