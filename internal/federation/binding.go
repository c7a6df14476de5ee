package federation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// Bounds of what a binding is made of.
const (
	// MaxConditions is how many conditions a binding may have.
	MaxConditions = 32
	// MaxScopes is how many scopes a binding may have.
	MaxScopes = 64
	// DefaultSession is how long a login may last.
	DefaultSession = 6 * time.Hour
	// MinSession and MaxSession bound what may be said instead.
	MinSession = time.Minute
	MaxSession = 24 * time.Hour
)

// ErrInvalidBinding is returned for a binding that says something impossible.
var ErrInvalidBinding = errors.New("invalid binding")

// Binding says which tokens of an issuer stand for a robot.
type Binding struct {
	// Name is as that of a subject.
	Name string
	// Issuer is the name of one.
	Issuer string
	// Robot is who logs in.
	Robot subject.Ref
	// Claims are the conditions, at least one; see [Match].
	Claims []Condition
	// Expose lets permissions of the robot name claims.
	Expose []Exposure
	// Scopes are what the robot may do at most. Without any, that is all it may.
	Scopes []access.Permission
	// Session is how long a login may last. Zero means [DefaultSession].
	Session time.Duration
	// AllowUnprotected lets the binding be although [CheckBinding] finds it
	// [ErrUnprotected].
	AllowUnprotected bool
	// Disabled lets no job in.
	Disabled bool
}

// LongestSession is Session, or its default.
func (b Binding) LongestSession() time.Duration {
	if b.Session == 0 {
		return DefaultSession
	}
	return b.Session
}

// twice is a name that stands for two claims, or empty.
func (b Binding) twice() string {
	for i, e := range b.Expose {
		if slices.ContainsFunc(b.Expose[:i], func(other Exposure) bool { return other.Name == e.Name }) {
			return e.Name
		}
	}
	return ""
}

// Validate reports why there cannot be such a binding, or nil. Whether it is wise
// says [CheckBinding]. Errors: [ErrInvalidBinding], [ErrInvalidCondition],
// [ErrInvalidExposure], [subject.ErrInvalidName], [access.ErrInvalidPermission].
func (b Binding) Validate() error {
	if err := subject.ValidateName(b.Name); err != nil {
		return fmt.Errorf("name of the binding: %w", err)
	}
	if err := subject.ValidateName(b.Issuer); err != nil {
		return fmt.Errorf("binding %s: name of the issuer: %w", b.Name, err)
	}
	if err := subject.ValidateName(b.Robot.Name); err != nil {
		return fmt.Errorf("binding %s: name of the robot: %w", b.Name, err)
	}
	for _, c := range b.Claims {
		if err := c.Validate(); err != nil {
			return fmt.Errorf("binding %s: %w", b.Name, err)
		}
	}
	for _, e := range b.Expose {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("binding %s: %w", b.Name, err)
		}
	}
	for _, p := range b.Scopes {
		if err := p.Validate(); err != nil {
			return fmt.Errorf("binding %s: scope: %w", b.Name, err)
		}
	}
	if fault := b.fault(); fault != "" {
		return fmt.Errorf("%w %s: %s", ErrInvalidBinding, b.Name, fault)
	}
	return nil
}

func (b Binding) fault() string {
	sorted := slices.SortedFunc(slices.Values(b.Claims), compareConditions)
	switch {
	case b.Robot.Kind != subject.Robot:
		return fmt.Sprintf("%s is no robot: a token of an issuer stands for a robot, such as robot:ci", b.Robot)
	case len(b.Claims) == 0:
		return "it has no conditions, and every token of the issuer would do: write --claim NAME=VALUE"
	case len(b.Claims) > MaxConditions:
		return fmt.Sprintf("it has %d conditions, at most %d are allowed", len(b.Claims), MaxConditions)
	case len(slices.Compact(sorted)) != len(b.Claims):
		return "a condition stands twice"
	case len(b.Expose) > MaxExposures:
		return fmt.Sprintf("it exposes %d claims, at most %d are allowed", len(b.Expose), MaxExposures)
	case b.twice() != "":
		return fmt.Sprintf("{%s} is exposed twice: give each claim a name of its own", b.twice())
	case len(b.Scopes) > MaxScopes:
		return fmt.Sprintf("it has %d scopes, at most %d are allowed", len(b.Scopes), MaxScopes)
	case b.Session != 0 && (b.Session < MinSession || b.Session > MaxSession):
		return fmt.Sprintf("the session is %s: choose 1m to 24h", b.Session)
	case b.Session%time.Second != 0:
		return fmt.Sprintf("the session is %s: choose whole seconds", b.Session)
	default:
		return ""
	}
}
