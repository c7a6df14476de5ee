package state

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/subject"
)

// maxFields is how many fields an entry in JSON may have: more are no entry.
const maxFields = 100

// errEnough ends reading when there are more faults than are reported.
var errEnough = errors.New("enough faults")

// jsonReader reads a document in JSON, one value after the other. What it reads
// becomes nodes of YAML, of which JSON is a part.
type jsonReader struct {
	*parser
	*json.Decoder
	lines *lineCounter
}

func (p *parser) readJSON(in *bufio.Reader) (*Document, error) {
	lines := &lineCounter{in: in, line: 1}
	r := &jsonReader{parser: p, Decoder: json.NewDecoder(lines), lines: lines}
	r.UseNumber()
	d, err := r.document()
	if errors.Is(err, errEnough) {
		return d, nil
	}
	if err == nil {
		_, err = r.Token()
		switch {
		case err == nil:
			err = errors.New("something stands after the document")
		case errors.Is(err, io.EOF):
			return d, nil
		}
	}
	if lines.err != nil {
		return nil, lines.err
	}
	if errors.Is(err, ErrTooLarge) {
		return nil, err
	}
	if unusual, ok := errors.AsType[*unusualError](err); ok {
		return nil, unusual
	}
	return nil, &unusualError{r.at(), err.Error()}
}

func (r *jsonReader) at() int { return r.lines.at(r.InputOffset()) }

func (r *jsonReader) document() (*Document, error) {
	d := new(Document)
	root, err := r.value() // its brace
	if err != nil {
		return nil, err
	}
	seen, versioned := map[string]int{}, false
	err = r.fields(root, "the document", seen, func(key, value *yaml.Node) (bool, error) {
		kind, subjects := sections[key.Value]
		switch {
		case key.Value == fieldVersion:
			versioned = true
			r.version(value)
			return true, r.skip(value)
		case !isSection(key.Value):
			return false, r.skip(value)
		}
		r.list(value, key.Value, nil)
		if value.Kind != yaml.SequenceNode {
			return true, r.skip(value)
		}
		return true, r.each(func(n *yaml.Node) error {
			var err error
			if subjects {
				err = r.subjectEntry(d, kind, n)
			} else if err = r.fill(n, 0); err == nil {
				r.addEntry(d, key.Value, n)
			}
			if err == nil && r.more {
				err = errEnough
			}
			if err == nil {
				err = r.full()
			}
			return err
		})
	})
	if err == nil && !versioned {
		r.unversioned(root.Line)
	}
	return d, err
}

// maxNested is how deep values may stand in an issuer or a binding, and maxItems
// how many in one of them: more are none.
const maxNested, maxItems = 4, 200

// fill reads the rest of a value that is small.
func (r *jsonReader) fill(n *yaml.Node, depth int) error {
	if n.Kind == yaml.ScalarNode {
		return nil
	}
	for r.More() {
		value, err := r.value()
		if err != nil {
			return err
		}
		if err := r.fill(value, depth+1); err != nil {
			return err
		}
		if n.Content = append(n.Content, value); len(n.Content) > maxItems || depth > maxNested {
			return &unusualError{r.at(), "the entry has too many values"}
		}
	}
	_, err := r.Token() // the end
	return err
}

// subjectEntry reads one user, robot or group into a document.
func (r *jsonReader) subjectEntry(d *Document, kind subject.Kind, n *yaml.Node) error {
	s, ok, err := r.entry(kind, n)
	if ok {
		d.Subjects = append(d.Subjects, s)
	}
	return err
}

// entry reads one user, robot or group, of which the first token was read.
func (r *jsonReader) entry(kind subject.Kind, n *yaml.Node) (Subject, bool, error) {
	e := r.begin(kind, n.Line)
	if n.Kind != yaml.MappingNode {
		e.read(n)
		s, ok := e.end()
		return s, ok, r.skip(n)
	}
	known := &yaml.Node{Kind: yaml.MappingNode, Line: n.Line}
	read := func(key, value *yaml.Node) {
		known.Content = append(known.Content, key, value)
	}
	flush := func() {
		e.read(known)
		known.Content = known.Content[:0]
	}
	for r.More() {
		key, err := r.value()
		if err != nil {
			return Subject{}, false, err
		}
		value, err := r.value()
		if err != nil {
			return Subject{}, false, err
		}
		isList := value.Kind == yaml.SequenceNode && (key.Value == fieldMembers || key.Value == fieldPermissions)
		if read(key, value); len(known.Content) > 2*maxFields {
			return Subject{}, false, &unusualError{r.at(), "the entry has too many fields"}
		}
		if !isList {
			if err := r.skip(value); err != nil {
				return Subject{}, false, err
			}
			continue
		}
		err = r.each(func(item *yaml.Node) error {
			if value.Content = append(value.Content, item); len(value.Content) == r.itemsAtOnce {
				flush()
				if err := r.full(); err != nil {
					return err
				}
				e.resume(key.Value)
				value.Content = value.Content[:0]
				read(key, value)
			}
			return r.skip(item)
		})
		if err != nil {
			return Subject{}, false, err
		}
	}
	if _, err := r.Token(); err != nil { // the end
		return Subject{}, false, err
	}
	flush()
	s, ok := e.end()
	return s, ok, nil
}

// fields reads the rest of an object, of which use reads the values.
func (r *jsonReader) fields(n *yaml.Node, what string, seen map[string]int, use func(key, value *yaml.Node) (bool, error)) error {
	for r.More() {
		key, err := r.value()
		if err != nil {
			return err
		}
		value, err := r.value()
		if err != nil {
			return err
		}
		var failed error
		used := false
		pair := &yaml.Node{Kind: n.Kind, Line: n.Line, Content: []*yaml.Node{key, value}}
		r.mapping(pair, what, seen, func(key, value *yaml.Node) bool {
			var known bool
			used = true
			known, failed = use(key, value)
			return known
		})
		if !used { // it was there before
			failed = r.skip(value)
		}
		if failed != nil {
			return failed
		}
		if r.more {
			return errEnough
		}
	}
	_, err := r.Token() // the end
	return err
}

// each reads the rest of a list. use reads what follows the first token of an
// item.
func (r *jsonReader) each(use func(*yaml.Node) error) error {
	for r.More() {
		item, err := r.value()
		if err != nil {
			return err
		}
		if err := use(item); err != nil {
			return err
		}
	}
	_, err := r.Token() // the end
	return err
}

// value reads one value, and of objects and lists how they begin.
func (r *jsonReader) value() (*yaml.Node, error) {
	token, err := r.Token()
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.at()}
	switch t := token.(type) {
	case json.Delim:
		if n.Kind = yaml.SequenceNode; t == '{' {
			n.Kind = yaml.MappingNode
		}
	case string:
		n.Tag, n.Value = "!!str", t
	case bool:
		n.Tag, n.Value = "!!bool", fmt.Sprint(t)
	case json.Number:
		n.Tag, n.Value = "!!float", t.String()
	default:
		n.Tag, n.Value = "!!null", "null"
	}
	return n, nil
}

// skip passes over the rest of an object or list.
func (r *jsonReader) skip(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return nil
	}
	for depth := 1; depth > 0; {
		token, err := r.Token()
		if err != nil {
			return err
		}
		if d, ok := token.(json.Delim); ok {
			if strings.ContainsRune("{[", rune(d)) {
				depth++
			} else {
				depth--
			}
		}
	}
	return nil
}

// lineCounter says which line something stands in that was read a while ago.
type lineCounter struct {
	in   io.Reader
	read int64
	line int
	ends []int64 // ahead of what was asked for
	err  error   // of in, other than its end
}

// Read implements [io.Reader].
func (c *lineCounter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			c.ends = append(c.ends, c.read+int64(i))
		}
	}
	c.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// at is the line of an offset, no smaller than the one before.
func (c *lineCounter) at(offset int64) int {
	passed := 0
	for passed < len(c.ends) && c.ends[passed] < offset {
		passed++
	}
	c.line += passed
	c.ends = append(c.ends[:0], c.ends[passed:]...)
	return c.line
}
