package state

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/subject"
)

// maxFaults is how many faults of one document are reported.
const maxFaults = 20

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
	// More says that there are others.
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

// parser turns YAML into a document and collects what is wrong.
type parser struct {
	faults []Fault
	more   bool
	names  map[string]subject.Ref
	// issuers and bindings are the names of those.
	issuers, bindings map[string]bool
	// before is how many lines of the document stand before what is read.
	before int
	// pieceSize is about how much YAML is read at once, in bytes, and itemsAtOnce
	// how many items of a list in JSON.
	pieceSize, itemsAtOnce int
	// room is how much more the document can hold: an item of a list counts as
	// one, an entry as [entryWeight].
	room int64
}

// An entry takes as much memory as so many items, and a document may have one
// item for so many of the bytes that it may have.
const entryWeight, bytesAnItem = 4, 40

// full is returned for a document of many short values, which take more memory
// than long ones.
func (p *parser) full() error {
	if p.room >= 0 {
		return nil
	}
	return fmt.Errorf("%w: it has too many entries, members and permissions: one is allowed for each %d bytes of the size that a document may have, and an entry counts as %d",
		ErrTooLarge, bytesAnItem, entryWeight)
}

func newParser() *parser {
	return &parser{names: make(map[string]subject.Ref), issuers: map[string]bool{}, bindings: map[string]bool{}, pieceSize: 64 << 10, itemsAtOnce: 1000, room: DefaultMaxSize / bytesAnItem}
}

// result is what was read, unless something is wrong with it.
func (p *parser) result(d *Document) (*Document, error) {
	if len(p.faults) > 0 {
		return nil, &ParseError{Faults: p.faults, More: p.more}
	}
	d.Sort()
	return d, nil
}

func (p *parser) line(n *yaml.Node) int { return n.Line + p.before }

func (p *parser) fault(n *yaml.Node, format string, args ...any) {
	p.faultIn(p.line(n), format, args...)
}

func (p *parser) faultIn(line int, format string, args ...any) {
	if len(p.faults) == maxFaults {
		p.more = true
		return
	}
	p.faults = append(p.faults, Fault{line, fmt.Errorf(format, args...)})
}

// document reads a document as a whole.
func (p *parser) document(root *yaml.Node) *Document {
	var d Document
	var versioned bool
	p.mapping(root, "the document", map[string]int{}, func(key, value *yaml.Node) bool {
		switch {
		case key.Value == fieldVersion:
			versioned = true
			p.version(value)
		case isSection(key.Value):
			p.list(value, key.Value, func(entry *yaml.Node) { p.addEntry(&d, key.Value, entry) })
		default:
			return false
		}
		return true
	})
	if root.Kind == yaml.MappingNode && !versioned {
		p.unversioned(p.line(root))
	}
	return &d
}

const fieldVersion = "version"

// sections are the lists of subjects in a document.
var sections = map[string]subject.Kind{
	subject.User.Plural(): subject.User, subject.Robot.Plural(): subject.Robot, subject.Group.Plural(): subject.Group,
}

func (p *parser) version(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode || n.Value != Version {
		p.fault(n, "unknown version: this Dockit reads %s", Version)
	}
}

func (p *parser) unversioned(line int) {
	p.faultIn(line, "the version is missing: write version: %s", Version)
}

// mapping calls use for each field, which returns false for one that it does
// not know. What it saw is noted in seen, with its line.
func (p *parser) mapping(n *yaml.Node, what string, seen map[string]int, use func(key, value *yaml.Node) bool) {
	if n.Kind != yaml.MappingNode {
		p.fault(n, "%s must be written as fields with values, not as %s", what, kindName(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if first, twice := seen[key.Value]; twice {
			p.fault(key, "%s: field %q is given twice, first in line %d", what, printable.Clip(key.Value), first)
			continue
		}
		seen[key.Value] = p.line(key)
		if key.Kind != yaml.ScalarNode || !use(key, value) {
			p.fault(key, "%s: unknown field %q", what, printable.Clip(key.Value))
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

func (p *parser) list(n *yaml.Node, what string, use func(item *yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		p.fault(n, "%s must be a list, not %s: write [] for none", what, kindName(n))
		return
	}
	for _, item := range n.Content {
		use(item)
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
