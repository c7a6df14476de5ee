package state

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

const (
	// MaxSize is the largest document that [Parse] reads, in bytes.
	MaxSize = 32 << 20
	// maxItems is how many values a document can hold, about: each takes some
	// 300 bytes of memory while it is read.
	maxItems = 1 << 20
)

// maxFaults is how many faults of one document are reported.
const maxFaults = 20

// ErrTooLarge is returned for a document of more than [MaxSize] bytes or about a
// million lines.
var ErrTooLarge = fmt.Errorf("%w: larger than %d MiB or a million lines", ErrInvalid, MaxSize>>20)

// Fault is one thing that is wrong in a document.
type Fault struct {
	// Line is where, starting at 1.
	Line int
	// Err says what, and in which entry. It never repeats a secret.
	Err error
}

// Error implements error.
func (f Fault) Error() string { return fmt.Sprintf("line %d: %v", f.Line, f.Err) }

// Unwrap returns what is wrong.
func (f Fault) Unwrap() error { return f.Err }

// ParseError is returned for a document that breaks rules of the format. It is
// an [ErrInvalid].
type ParseError struct {
	// Faults are the first that were found, in the order of the lines.
	Faults []Fault
	// More tells that there are others.
	More bool
}

// Error lists the faults, each on its own line.
func (e *ParseError) Error() string {
	var text strings.Builder
	text.WriteString(ErrInvalid.Error())
	for i, fault := range e.Faults {
		switch {
		case len(e.Faults) == 1:
			text.WriteString(": ")
		case i == 0:
			text.WriteString(":\n  ")
		default:
			text.WriteString("\n  ")
		}
		text.WriteString(fault.Error())
	}
	if e.More {
		text.WriteString("\n  and more")
	}
	return text.String()
}

// Unwrap returns [ErrInvalid] and what is wrong.
func (e *ParseError) Unwrap() []error {
	errs := []error{ErrInvalid}
	for _, fault := range e.Faults {
		errs = append(errs, fault)
	}
	return errs
}

// Parse reads a document in YAML or JSON and brings it into its canonical
// order. Whatever breaks a rule of the format is a [ParseError].
func Parse(r io.Reader) (*Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read state document: %w", err)
	}
	if len(data) > MaxSize || items(data) > maxItems {
		return nil, ErrTooLarge
	}
	root, err := decode(data)
	if err != nil {
		return nil, err
	}
	p := parser{names: make(map[string]subject.Ref)}
	d := p.document(root)
	if len(p.faults) > 0 {
		return nil, &ParseError{Faults: p.faults, More: p.more}
	}
	d.Sort()
	return d, nil
}

// items counts what begins another value in YAML, and a little more.
func items(data []byte) int {
	var n int
	for _, mark := range []string{"\n", ",", "[", "{"} {
		n += bytes.Count(data, []byte(mark))
	}
	return n
}

// decode reads the one YAML document that data holds.
func decode(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, next yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: it is empty: write at least version: %s", ErrInvalid, Version)
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrInvalid, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	switch err := decoder.Decode(&next); {
	case errors.Is(err, io.EOF):
		return document.Content[0], nil
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrInvalid, strings.TrimPrefix(err.Error(), "yaml: "))
	default:
		return nil, fmt.Errorf("%w: line %d: a second document begins here: write one", ErrInvalid, next.Line)
	}
}

// parser turns YAML into a document and collects what is wrong.
type parser struct {
	faults []Fault
	more   bool
	names  map[string]subject.Ref
}

func (p *parser) fault(n *yaml.Node, format string, args ...any) {
	if len(p.faults) == maxFaults {
		p.more = true
		return
	}
	p.faults = append(p.faults, Fault{n.Line, fmt.Errorf(format, args...)})
}

func (p *parser) document(root *yaml.Node) *Document {
	var d Document
	var versioned bool
	p.mapping(root, "the document", func(key, value *yaml.Node) bool {
		switch key.Value {
		case "version":
			versioned = true
			if value.Kind != yaml.ScalarNode || value.Value != Version {
				p.fault(value, "unknown version: this Dockit reads %s", Version)
			}
		case "users", "robots", "groups":
			kind, _ := subject.ParseKind(strings.TrimSuffix(key.Value, "s"))
			p.list(value, key.Value, func(_ int, entry *yaml.Node) {
				if s, ok := p.subject(kind, entry); ok {
					d.Subjects = append(d.Subjects, s)
				}
			})
		default:
			return false
		}
		return true
	})
	if root.Kind == yaml.MappingNode && !versioned {
		p.fault(root, "the version is missing: write version: %s", Version)
	}
	return &d
}

// subject reads one entry. What is wrong in it is noted; false means that the
// entry cannot be used even to look for more.
func (p *parser) subject(kind subject.Kind, n *yaml.Node) (Subject, bool) {
	s := Subject{Ref: subject.Ref{Kind: kind}}
	before := len(p.faults)
	name := field(n, fieldName)
	if name == nil {
		p.mapping(n, "a "+string(kind), func(_, _ *yaml.Node) bool { return true })
		if n.Kind == yaml.MappingNode {
			p.fault(n, "%s: the name is missing", kind)
		}
		return s, false
	}
	var ok bool
	if s.Ref.Name, ok = p.text(name, string(kind)+": name"); !ok {
		return s, false
	}
	lines := map[place]*yaml.Node{}
	entry := clip(s.Ref.String())
	p.mapping(n, entry, func(key, value *yaml.Node) bool {
		lines[place{field: key.Value}] = value
		switch key.Value {
		case fieldName:
		case fieldAdmin:
			s.Admin = p.boolean(value, entry+": admin")
		case fieldDisabled:
			s.Disabled = p.boolean(value, entry+": disabled")
		case fieldPasswordHash:
			var ok bool
			if s.PasswordHash, ok = p.text(value, entry+": password_hash"); ok && s.PasswordHash == "" {
				p.fault(value, "%s: password_hash is empty: leave it out to keep the password as it is", entry)
			}
		case fieldMembers:
			s.Members = p.members(value, entry, lines)
		case fieldPermissions:
			s.Permissions = p.permissions(value, entry, lines)
		default:
			return false
		}
		return true
	})
	if len(p.faults) > before {
		return s, true
	}
	for at, err := range s.faults() {
		p.fault(lines[at], "%s: %s: %w", entry, at.field, err)
	}
	if err := claim(p.names, s.Ref); err != nil {
		p.fault(name, "%w", err)
	}
	return s, true
}

func (p *parser) members(n *yaml.Node, entry string, lines map[place]*yaml.Node) []subject.Ref {
	var members []subject.Ref
	p.list(n, entry+": members", func(i int, item *yaml.Node) {
		lines[place{fieldMembers, i + 1}] = item
		text, ok := p.text(item, entry+": members")
		if !ok {
			return
		}
		member, err := subject.ParseRef(text)
		if err != nil {
			p.fault(item, "%s: members: %w", entry, err)
		}
		members = append(members, member)
	})
	return members
}

func (p *parser) permissions(n *yaml.Node, entry string, lines map[place]*yaml.Node) []access.Permission {
	var permissions []access.Permission
	p.list(n, entry+": permissions", func(i int, item *yaml.Node) {
		lines[place{fieldPermissions, i + 1}] = item
		text, ok := p.text(item, entry+": permissions")
		if !ok {
			return
		}
		permission, err := access.ParsePermission(text)
		if err != nil {
			p.fault(item, "%s: permissions: %w", entry, err)
		}
		permissions = append(permissions, permission)
	})
	return permissions
}

// mapping calls use for each field, which returns false for one that it does
// not know.
func (p *parser) mapping(n *yaml.Node, what string, use func(key, value *yaml.Node) bool) {
	if n.Kind != yaml.MappingNode {
		p.fault(n, "%s must be written as fields with values, not as %s", what, kindName(n))
		return
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if first, twice := seen[key.Value]; twice {
			p.fault(key, "%s: field %q is given twice, first in line %d", what, clip(key.Value), first)
			continue
		}
		seen[key.Value] = key.Line
		if key.Kind != yaml.ScalarNode || !use(key, value) {
			p.fault(key, "%s: unknown field %q", what, clip(key.Value))
		}
	}
}

// field returns the value of a field, or nil.
func field(n *yaml.Node, name string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

func (p *parser) list(n *yaml.Node, what string, use func(i int, item *yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		p.fault(n, "%s must be a list, not %s: write [] for none", what, kindName(n))
		return
	}
	for i, item := range n.Content {
		use(i, item)
	}
}

func (p *parser) text(n *yaml.Node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		p.fault(n, "%s must be text, not %s: put it in quotes", what, kindName(n))
		return "", false
	}
	return n.Value, true
}

func (p *parser) boolean(n *yaml.Node, what string) bool {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Value != "true" && n.Value != "false" {
		p.fault(n, "%s must be true or false, not %s", what, kindName(n))
		return false
	}
	return n.Value == "true"
}

// kindName says in words what stands somewhere.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "fields with values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias, which is not supported"
	default:
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a date"
	case "!!str":
		return "text"
	default:
		return "a value with a tag"
	}
}

// clip keeps what was read from flooding an error message.
func clip(s string) string {
	const most = 160
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
