package state

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/dockit-registry/dockit/subject"
)

// Format is how a document is written.
type Format string

// The formats of documents.
const (
	YAML Format = "yaml"
	JSON Format = "json"
)

// errOrder is returned by [Writer.Write] for a subject out of order.
var errOrder = errors.New("not in the canonical order of a state document")

// Writer writes a document one subject after the other, so that even the
// largest needs little memory. Equal documents are written in equal bytes.
type Writer struct {
	w      *bufio.Writer
	format Format
	last   subject.Ref
	// section is the list that is written, and name that of its last entry unless
	// it is a list of subjects.
	section, name string
	started       bool
}

// NewWriter makes a writer. Call [Writer.Close] after the last subject.
func NewWriter(w io.Writer, format Format) *Writer {
	return &Writer{w: bufio.NewWriter(w), format: format}
}

// Write writes one subject. Subjects come in the canonical order of documents,
// and so do their members and permissions.
func (w *Writer) Write(s Subject) error {
	if w.started && (Compare(w.last, s.Ref) >= 0 || w.name != "") {
		return fmt.Errorf("write %s after %s%s: %w", s.Ref, w.last, w.name, errOrder)
	}
	w.start()
	if w.format == JSON {
		if err := w.json(s); err != nil {
			return err
		}
	} else {
		w.yaml(s)
	}
	w.last, w.section = s.Ref, s.Ref.Kind.Plural()
	// A failed write shows at the end as well.
	return nil
}

// Close completes the document. It does not close what it was written to.
func (w *Writer) Close() error {
	w.start()
	if w.format == JSON {
		if w.section != "" {
			w.print("\n  ]")
		}
		w.print("\n}\n")
	}
	return w.w.Flush()
}

func (w *Writer) print(texts ...string) {
	for _, text := range texts {
		_, _ = w.w.WriteString(text) // Flush reports the first error
	}
}

func (w *Writer) start() {
	switch {
	case w.started:
	case w.format == JSON:
		w.print("{\n  \"version\": ", strconv.Quote(Version))
	default:
		w.print("version: ", Version, "\n")
	}
	w.started = true
}

func (w *Writer) yaml(s Subject) {
	if s.Ref.Kind != w.last.Kind {
		w.print(s.Ref.Kind.Plural(), ":\n")
	}
	w.print("  - name: ", plain(s.Ref.Name), "\n")
	if s.Admin {
		w.print("    admin: true\n")
	}
	if s.Disabled {
		w.print("    disabled: true\n")
	}
	if s.PasswordHash != "" {
		w.print("    password_hash: ", strconv.Quote(s.PasswordHash), "\n")
	}
	if len(s.Members) > 0 {
		w.print("    members:\n")
		for _, member := range s.Members {
			w.print("      - ", member.String(), "\n")
		}
	}
	if len(s.Permissions) > 0 {
		w.print("    permissions:\n")
		for _, permission := range s.Permissions {
			w.print("      - ", permission.String(), "\n")
		}
	}
}

func (w *Writer) json(s Subject) error {
	entry, err := json.Marshal(struct {
		Name         string   `json:"name"`
		Admin        bool     `json:"admin,omitempty"`
		Disabled     bool     `json:"disabled,omitempty"`
		PasswordHash string   `json:"password_hash,omitempty"`
		Members      []string `json:"members,omitempty"`
		Permissions  []string `json:"permissions,omitempty"`
	}{s.Ref.Name, s.Admin, s.Disabled, s.PasswordHash, texts(s.Members), texts(s.Permissions)})
	if err != nil {
		return fmt.Errorf("write %s: %w", s.Ref, err)
	}
	switch {
	case s.Ref.Kind == w.last.Kind:
		w.print(",")
	case w.last.Kind != "":
		w.print("\n  ]")
		fallthrough
	default:
		w.print(",\n  ", strconv.Quote(s.Ref.Kind.Plural()), ": [")
	}
	w.print("\n    ", string(entry))
	return nil
}

func texts[T fmt.Stringer](list []T) []string {
	all := make([]string, len(list))
	for i, one := range list {
		all[i] = one.String()
	}
	return all
}

// plain writes a name as YAML. What some reader of YAML takes for a number, a
// date, a truth value or nothing is put in quotes.
func plain(name string) string {
	switch name {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null":
		return strconv.Quote(name)
	}
	if name == "" || name[0] < 'a' || name[0] > 'z' {
		return strconv.Quote(name)
	}
	return name
}

// Bytes writes the whole document, which must be in its canonical order.
func (d *Document) Bytes(format Format) ([]byte, error) {
	var buffer bytes.Buffer
	w := NewWriter(&buffer, format)
	for _, s := range d.Subjects {
		if err := w.Write(s); err != nil {
			return nil, err
		}
	}
	for _, i := range d.Issuers {
		if err := w.WriteIssuer(i); err != nil {
			return nil, err
		}
	}
	for _, b := range d.Bindings {
		if err := w.WriteBinding(b); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}
