// Package importer brings users and rights from other ways to protect a
// registry: htpasswd files and the configuration of docker_auth.
//
// An import makes a [state.Document] and a list of [Finding]s, which say what
// could not be carried over and why. It changes nothing by itself. Where
// something cannot be said exactly in permissions that only add up, less is
// carried over, never more.
//
// The package is pure: it reads what it is given and opens no file.
package importer

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/dockit-registry/dockit/state"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 16 << 20

var (
	// ErrInvalid is returned for a file that is not what it should be. Nothing
	// is imported from it.
	ErrInvalid = errors.New("cannot be imported")
	// ErrTooLarge is returned for a file of more than [MaxSize] bytes.
	ErrTooLarge = fmt.Errorf("%w: larger than %d MiB", ErrInvalid, MaxSize>>20)
)

// Severity says how much a [Finding] matters.
type Severity string

const (
	// Info is worth knowing. Nothing is lost.
	Info Severity = "info"
	// Warning means that something is not carried over, only in part, or works
	// otherwise than before.
	Warning Severity = "warning"
	// Error means that something could not be read at all.
	Error Severity = "error"
)

// Finding is what an administrator should know before an import is applied.
type Finding struct {
	Severity Severity `json:"severity"`
	// Line is where in the file, starting at 1; 0 is the file as a whole.
	Line int `json:"line,omitempty"`
	// What names the entry: a user, or a rule by its number.
	What string `json:"what,omitempty"`
	// Why says what does not fit and what to do. It holds no secret.
	Why string `json:"why"`
}

// String is the finding in one line.
func (f Finding) String() string {
	text := string(f.Severity) + ": "
	if f.Line > 0 {
		text += fmt.Sprintf("line %d: ", f.Line)
	}
	if f.What != "" {
		text += f.What + ": "
	}
	return text + f.Why
}

// Result is what an import would bring.
type Result struct {
	// Document is valid and in its canonical order. The users in it may have
	// hashes of passwords, which are secret.
	Document *state.Document
	// Findings are in the order of the lines.
	Findings []Finding
}

func (r *Result) find(severity Severity, line int, what, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{severity, line, what, fmt.Sprintf(format, args...)})
}

// finish brings everything into its order and checks the document once more.
func (r *Result) finish() (*Result, error) {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	r.Document.Sort()
	if err := r.Document.Validate(); err != nil {
		return nil, err
	}
	return r, nil
}

// readAll reads a file of bounded size.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the file to import: %w", err)
	}
	if len(data) > MaxSize {
		return nil, ErrTooLarge
	}
	return data, nil
}
