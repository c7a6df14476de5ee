package federation

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dockit-registry/dockit/access"
)

var (
	// ErrNoOwner is returned for a binding to an issuer that signs for everybody,
	// without a condition that says whose the job is. Nothing allows it.
	ErrNoOwner = errors.New("binding lets strangers in")
	// ErrUnprotected is returned for a binding that would let in more jobs than
	// its author is likely to want. AllowUnprotected allows it.
	ErrUnprotected = errors.New("binding is unprotected")
)

// Warning is a sentence about what a binding lets in, with what to do.
type Warning string

// CheckBinding judges a valid binding to a valid issuer, for a robot with those
// permissions: its own, those of its groups and those of everyone. Errors:
// [ErrNoOwner], [ErrUnprotected].
//
// A binding that was taken may be found unprotected later, when its robot is given
// more: what was done then is told as a warning.
func CheckBinding(i Issuer, b Binding, permissions []access.Permission) ([]Warning, error) {
	c := check{issuer: i, binding: b, claims: byName(b.Claims), permissions: permissions, writes: mayWrite(permissions, b.Scopes)}
	return c.judge()
}

// mayWrite reports whether a robot with these permissions may push or delete
// anything through a binding with these scopes. Names are not compared: scopes
// that allow what the robot may not do count.
func mayWrite(permissions, scopes []access.Permission) bool {
	return anyWrites(permissions) && (len(scopes) == 0 || anyWrites(scopes))
}

func anyWrites(permissions []access.Permission) bool {
	return slices.ContainsFunc(permissions, writes)
}

func writes(p access.Permission) bool {
	return p.Type != access.Registry && p.Actions&(access.Push|access.Delete) != 0
}

func refusal(err error, b Binding, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", err, b.Name, fmt.Sprintf(format, args...))
}
