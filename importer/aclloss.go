package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
)

// losses are what of one rule is not carried over.
type losses struct {
	// applies tells that the rule may apply to somebody.
	applies bool
	// given tells that something is carried over, lost that something is not
	// because it depends on what permissions do not know.
	given, lost bool
	reasons     []string
	// uncovered are accounts for whom the names cannot be said exactly, and
	// example is a name that is missing.
	uncovered []*account
	example   string
	reduced   []reduction
}

// reduction is what a rule before takes away.
type reduction struct {
	by      *aclRule
	left    access.Actions
	example string
	who     []*account
}

// uncertain notes why a rule applies only perhaps.
func (l *losses) uncertain(r applied, o DockerAuthOptions) {
	var reasons []string
	if r.odd != "" {
		reasons = append(reasons, r.odd)
	}
	if r.ip {
		reasons = append(reasons, "it asks for the address of the client, which permissions do not know")
	}
	if _, asks := r.conditions[onService]; asks && o.Service == "" {
		reasons = append(reasons, "it asks for the service, and permissions hold for every one: say with --service which one Dockit serves")
	}
	if len(reasons) == 0 {
		reasons = append(reasons, "it compares texts with each other in a way that permissions cannot")
	}
	for _, reason := range reasons {
		if !slices.Contains(l.reasons, reason) {
			l.reasons = append(l.reasons, reason)
		}
	}
}

// reduce notes that a rule before gives less.
func (l *losses) reduce(a *account, by *aclRule, v verdictOn) {
	at := slices.IndexFunc(l.reduced, func(r reduction) bool { return r.by == by && r.left == v.actions })
	if at < 0 {
		at = len(l.reduced)
		l.reduced = append(l.reduced, reduction{by: by, left: v.actions, example: v.example})
	}
	if !slices.Contains(l.reduced[at].who, a) {
		l.reduced[at].who = append(l.reduced[at].who, a)
	}
}

// tell turns the losses into findings.
func (l *losses) tell(result *Result, r *aclRule) {
	what := r.String()
	if !l.applies {
		result.find(Warning, r.line, what, "not carried over: it applies to none of the accounts that are")
		return
	}
	if l.lost {
		result.find(Error, r.line, what, "not carried over: %s", strings.Join(l.reasons, "; "))
	} else if len(l.reasons) > 0 {
		result.find(Info, r.line, what, "it stands in the way of rules after it whether or not it matches: %s", strings.Join(l.reasons, "; "))
	}
	for _, one := range l.reduced {
		left := "nothing"
		if one.left&r.actions != 0 {
			left = "only " + (one.left & r.actions).String()
		}
		result.find(severityOf(one.left&r.actions == 0), r.line, what, "%s is carried over for %s: %s comes first and gives less%s; permissions only add up, and have no exceptions",
			left, listed(one.who), one.by, forExample(one.example))
	}
	if r.actions != 0 && !l.given && len(l.reasons)+len(l.reduced)+len(l.uncovered) == 0 {
		result.find(Info, r.line, what, "there is nothing to carry over: rules before it decide first, or no repository can have such a name")
	}
	if len(l.uncovered) > 0 {
		result.find(severityOf(!l.given), r.line, what, "not all of its names can be said with * and ** for %s%s: grant what is missing", listed(l.uncovered), forExample(l.example))
	}
}

func severityOf(lost bool) Severity {
	if lost {
		return Error
	}
	return Warning
}

func forExample(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(", for example on %s", name)
}

// listed names a few accounts and counts the others.
func listed(accounts []*account) string {
	const most = 5
	var names []string
	for _, a := range accounts[:min(len(accounts), most)] {
		name := a.name
		if name == "" {
			name = "anonymous"
		}
		names = append(names, name)
	}
	if len(accounts) > most {
		return fmt.Sprintf("%s and %d others", strings.Join(names, ", "), len(accounts)-most)
	}
	return strings.Join(names, ", ")
}
