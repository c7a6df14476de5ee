// Package subject names what may have rights: users, robots and groups.
//
// All three share one name space, so that a bare name, as it appears in HTTP
// Basic credentials, means at most one subject.
//
// The package is pure: whether a subject exists is not known here.
package subject

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

// Kind is what sort of subject a name belongs to.
type Kind string

const (
	// User is a person with a password.
	User Kind = "user"
	// Robot is a machine. It has access tokens and never a password.
	Robot Kind = "robot"
	// Group is a set of users and robots.
	Group Kind = "group"
)

// Kinds lists every kind, in the order in which they are shown. It is not to be
// changed.
var Kinds = []Kind{User, Robot, Group}

// MaxNameLength is the longest name of a subject, in bytes.
const MaxNameLength = 128

var (
	// ErrInvalidName is returned for a name outside the grammar of names.
	ErrInvalidName = errors.New("invalid name")
	// ErrInvalidKind is returned for anything but user, robot or group.
	ErrInvalidKind = errors.New("invalid kind of subject")
)

// ValidateName reports why name cannot be the name of a subject, or nil. A
// name matches [a-z0-9]+([._@-][a-z0-9]+)* and has at most [MaxNameLength]
// bytes, which keeps it safe in a shell, a URL path and HTTP Basic.
func ValidateName(name string) error {
	if len(name) > MaxNameLength {
		return fmt.Errorf("%w: %d bytes long, at most %d are allowed", ErrInvalidName, len(name), MaxNameLength)
	}
	if !inGrammar(name) {
		return fmt.Errorf("%w %q: use lower-case letters and digits, separated by single '.', '_', '@' or '-'", ErrInvalidName, name)
	}
	return nil
}

// inGrammar reports whether a name matches [a-z0-9]+([._@-][a-z0-9]+)*: it begins and
// ends with a letter or digit, and between two separators there is one.
func inGrammar(name string) bool {
	separated := true
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			separated = false
		case separated || !strings.ContainsRune("._@-", rune(c)):
			return false
		default:
			separated = true
		}
	}
	return !separated
}

// FoldName returns the name that is meant by one with capitals: names are
// lower-case only. Nothing but the letters A to Z changes. What it returns need
// not be a valid name.
func FoldName(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// ParseKind reads a kind in the singular, or returns [ErrInvalidKind].
func ParseKind(s string) (Kind, error) {
	switch k := Kind(s); k {
	case User, Robot, Group:
		return k, nil
	default:
		return "", fmt.Errorf("%w %q: use user, robot or group", ErrInvalidKind, s)
	}
}

// Plural is the name of the collection of such subjects: users, robots or
// groups.
func (k Kind) Plural() string { return string(k) + "s" }

// Ref names one subject: user:alice, robot:ci or group:dev. As text, and so in
// JSON, it is written in that form.
type Ref struct {
	Kind Kind
	Name string
}

var (
	// Anonymous stands for a request without credentials. What it may do,
	// everyone may.
	Anonymous = Ref{User, "anonymous"}
	// Authenticated is the group of everyone who logged in.
	Authenticated = Ref{Group, "authenticated"}
)

// ParseRef reads a reference such as user:alice. Errors: [ErrInvalidKind],
// [ErrInvalidName].
func ParseRef(s string) (Ref, error) {
	kind, name, found := strings.Cut(s, ":")
	if !found {
		return Ref{}, fmt.Errorf("%w: %q says no kind: write user:%[2]s, robot:%[2]s or group:%[2]s", ErrInvalidKind, printable.Clip(s))
	}
	k, err := ParseKind(printable.Clip(kind))
	if err != nil {
		return Ref{}, err
	}
	if err := ValidateName(name); err != nil {
		return Ref{}, err
	}
	return Ref{k, name}, nil
}

// String writes the reference as [ParseRef] reads it.
func (r Ref) String() string { return string(r.Kind) + ":" + r.Name }

// BuiltIn reports whether the subject exists in every Dockit and cannot be
// removed, disabled or given credentials.
func (r Ref) BuiltIn() bool { return r == Anonymous || r == Authenticated }

// MarshalText implements [encoding.TextMarshaler]. It does not fail.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] as [ParseRef] reads.
func (r *Ref) UnmarshalText(text []byte) error {
	ref, err := ParseRef(string(text))
	if err != nil {
		return err
	}
	*r = ref
	return nil
}
