package state

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/subject"
)

// maxLabel is the longest name of an entry in a fault, in bytes: every reference
// that is valid is shorter.
const maxLabel = 160

// entry is one user, robot or group while it is read, in one piece or in
// several.
type entry struct {
	Subject
	*parser
	// label is what faults call it.
	label string
	line  int
	// named is set once the name is known, broken when nothing can be said of
	// the rest.
	named, broken bool
	// seen are the lines of the fields, and lines those of their values; of
	// lists there are those of the items.
	seen, lines                  map[string]int
	memberLines, permissionLines []int
	faultsBefore                 int
	// resumed is the field whose list goes on, or empty, and resumedLine where it
	// began.
	resumed     string
	resumedLine int
}

// subject reads one entry. What is wrong in it is noted; false means that the
// entry cannot be used even to look for more.
func (p *parser) subject(kind subject.Kind, n *yaml.Node) (Subject, bool) {
	e := p.begin(kind, p.line(n))
	e.read(n)
	return e.end()
}

func (p *parser) begin(kind subject.Kind, line int) *entry {
	return &entry{
		Subject: Subject{Ref: subject.Ref{Kind: kind}}, parser: p, label: "a " + string(kind), line: line,
		seen: map[string]int{}, lines: map[string]int{}, faultsBefore: len(p.faults),
	}
}

// read takes fields of the entry. It is called again for a list that goes on.
func (e *entry) read(n *yaml.Node) {
	if name := field(n, fieldName); name != nil && !e.named {
		if e.Ref.Name, e.named = e.text(name, string(e.Ref.Kind)+": name"); !e.named {
			e.broken = true
		}
		e.label = printable.ClipTo(e.Ref.String(), maxLabel)
	}
	if e.broken {
		return
	}
	e.broken = n.Kind != yaml.MappingNode
	e.mapping(n, e.label, e.seen, e.take)
}

// resume lets a field come once more, with the rest of its list.
func (e *entry) resume(field string) {
	e.resumed, e.resumedLine = field, e.seen[field]
	delete(e.seen, field)
}

func (e *entry) take(key, value *yaml.Node) bool {
	if key.Value == e.resumed {
		e.seen[key.Value], e.resumed = e.resumedLine, ""
	}
	if e.lines[key.Value] == 0 {
		e.lines[key.Value] = e.parser.line(value)
	}
	switch key.Value {
	case fieldName:
	case fieldAdmin:
		e.Admin = e.boolean(value, e.label+": admin")
	case fieldDisabled:
		e.Disabled = e.boolean(value, e.label+": disabled")
	case fieldPasswordHash:
		var ok bool
		if e.PasswordHash, ok = e.text(value, e.label+": password_hash"); ok && e.PasswordHash == "" {
			e.fault(value, "%s: password_hash is empty: leave it out to keep the password as it is", e.label)
		}
	case fieldMembers:
		e.Members, e.memberLines = items(e, value, fieldMembers, e.Members, e.memberLines, subject.ParseRef)
	case fieldPermissions:
		e.Permissions, e.permissionLines = items(e, value, fieldPermissions, e.Permissions, e.permissionLines, access.ParsePermission)
	default:
		return false
	}
	return true
}

// items adds a list of texts, and the lines that they stand in.
func items[T any](e *entry, n *yaml.Node, field string, all []T, lines []int, parse func(string) (T, error)) ([]T, []int) {
	what := e.label + ": " + field
	if all == nil { // most lists come in one piece
		all, lines = make([]T, 0, len(n.Content)), make([]int, 0, len(n.Content))
	}
	e.list(n, what, func(item *yaml.Node) {
		text, ok := e.text(item, what)
		if !ok {
			return
		}
		one, err := parse(text)
		if err != nil {
			e.fault(item, "%s: %w", what, err)
		}
		e.room--
		all, lines = append(all, one), append(lines, e.parser.line(item))
	})
	if len(all) == 0 {
		return nil, nil
	}
	return all, lines
}

// end is called after the last field.
func (e *entry) end() (Subject, bool) {
	e.room -= entryWeight
	if !e.named {
		if !e.broken {
			e.faultIn(e.line, "%s: the name is missing", e.Ref.Kind)
		}
		return e.Subject, false
	}
	if len(e.parser.faults) > e.faultsBefore {
		return e.Subject, true
	}
	for at, err := range e.Subject.faults() {
		e.faultIn(e.lineOf(at), "%s: %s: %w", e.label, at.field, err)
	}
	if err := claim(e.names, e.Ref); err != nil {
		e.faultIn(e.lines[fieldName], "%w", err)
	}
	e.Permissions = fitted(e.Permissions)
	e.Members = fitted(e.Members)
	return e.Subject, true
}

// fitted gives back the room of a list that grew, if that is much.
func fitted[T any](list []T) []T {
	if cap(list)-len(list) <= len(list)/16 {
		return list
	}
	return slices.Clone(list)
}

func (e *entry) lineOf(at place) int {
	switch {
	case at.item > 0 && at.field == fieldMembers:
		return e.memberLines[at.item-1]
	case at.item > 0 && at.field == fieldPermissions:
		return e.permissionLines[at.item-1]
	default:
		return e.lines[at.field]
	}
}
