package state

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
)

// Line is one line of a [Plan] that is shown like a diff.
type Line struct {
	// Mark is '+' for what comes, '-' for what goes and ' ' for what only has
	// changes below it.
	Mark rune
	Text string
}

// String writes the line as diff does.
func (l Line) String() string { return fmt.Sprintf("%c %s", l.Mark, l.Text) }

// actionMark shows what happens to an entry.
var actionMark = map[Action]rune{Create: '+', Update: ' ', Remove: '-'}

// Lines shows the plan like a diff: each subject, issuer and binding, and indented below it what
// comes and goes. No line holds a secret.
func (p Plan) Lines() iter.Seq[Line] {
	return func(yield func(Line) bool) {
		for _, c := range p.Changes {
			for _, line := range c.lines() {
				if !yield(line) {
					return
				}
			}
		}
		for _, line := range append(trustLines("issuer", p.Issuers), trustLines("binding", p.Bindings)...) {
			if !yield(line) {
				return
			}
		}
	}
}

// String is the plan as a diff, empty when there is nothing to do.
func (p Plan) String() string {
	var text strings.Builder
	for line := range p.Lines() {
		text.WriteString(line.String() + "\n")
	}
	return text.String()
}

func (c Change) lines() []Line {
	lines := []Line{{actionMark[c.Action], c.Subject.String()}}
	add := func(mark rune, format string, args ...any) {
		lines = append(lines, Line{mark, "  " + fmt.Sprintf(format, args...)})
	}
	for _, flag := range []struct {
		name  string
		value *bool
	}{{fieldAdmin, c.Admin}, {fieldDisabled, c.Disabled}} {
		switch {
		case flag.value == nil:
		case *flag.value:
			add('+', "%s", flag.name)
		default:
			add('-', "%s", flag.name)
		}
	}
	if c.Password {
		add('+', "password")
	}
	for _, member := range c.RemoveMembers {
		add('-', "member %s", member)
	}
	for _, member := range c.AddMembers {
		add('+', "member %s", member)
	}
	for _, p := range c.permissions() {
		add(p.mark, "permission %s", p.Permission)
	}
	return lines
}

// marked is a permission that comes or goes.
type marked struct {
	access.Permission
	mark rune
}

// permissions puts what a permission was before what it becomes.
func (c Change) permissions() []marked {
	all := make([]marked, 0, len(c.Revoke)+len(c.Grant))
	for _, p := range c.Revoke {
		all = append(all, marked{p, '-'})
	}
	for _, p := range c.Grant {
		all = append(all, marked{p, '+'})
	}
	slices.SortStableFunc(all, func(a, b marked) int { return comparePermissions(a.Permission, b.Permission) })
	return all
}
