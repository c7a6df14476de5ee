package access

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/internal/glob"
	"github.com/dockit-registry/dockit/internal/printable"
)

// Type is what kind of thing a permission or a scope is about.
type Type string

const (
	// Repository is one repository, or in a permission all that match.
	Repository Type = "repository"
	// Namespace is a repository and everything below it. It stands in
	// permissions only, clients never ask for it.
	Namespace Type = "namespace"
	// Registry is the registry itself. All there is to it is its catalog, the
	// list of all repositories.
	Registry Type = "registry"
)

// catalog is the only name of type [Registry].
const catalog = "catalog"

// ErrInvalidPermission is returned for a permission outside the syntax.
var ErrInvalidPermission = errors.New("invalid permission")

// Permission is what a subject was given: repository:team/*:pull,push.
type Permission struct {
	Type Type
	// Name says which repositories, with wildcards; see the package comment.
	// For [Registry] it is "catalog".
	Name string
	// Actions is what may be done there. For [Registry] it is [All].
	Actions Actions
}

// Catalog allows to list all repositories of a registry.
var Catalog = Permission{Registry, catalog, All}

// ParsePermission reads a permission of the form type:name:actions. The type
// ends at the first colon and the actions start after the last, so that a name
// may hold a host with a port.
func ParsePermission(s string) (Permission, error) {
	kind, rest, found := strings.Cut(s, ":")
	if !found {
		return Permission{}, permissionError(s, "write type:name:actions, for example repository:team/app:push")
	}
	name, list, found := cutLast(rest, ":")
	if !found {
		if _, err := ParseActions(rest); err == nil {
			return Permission{}, permissionError(s, "the name is missing: write type:name:actions, for example repository:team/app:push")
		}
		return Permission{}, permissionError(s, "the actions are missing: write type:name:actions, for example repository:team/app:push")
	}
	p := Permission{Type: Type(kind), Name: name}
	if fault := p.targetFault(); fault != "" {
		return Permission{}, permissionError(s, fault)
	}
	var err error
	if p.Actions, err = ParseActions(list); err != nil {
		return Permission{}, fmt.Errorf("%w %q: %w", ErrInvalidPermission, printable.Clip(s), err)
	}
	if fault := p.actionsFault(); fault != "" {
		return Permission{}, permissionError(s, fault)
	}
	return p, nil
}

// Validate reports why the permission is outside the syntax, or nil.
func (p Permission) Validate() error {
	if fault := p.fault(); fault != "" {
		return permissionError(p.String(), fault)
	}
	return nil
}

// fault says what is wrong with the permission and what to write instead, or
// nothing.
func (p Permission) fault() string {
	if fault := p.targetFault(); fault != "" {
		return fault
	}
	return p.actionsFault()
}

// targetFault says what is wrong with the type and the name.
func (p Permission) targetFault() string {
	switch p.Type {
	case Repository, Namespace:
		return patternFault(p.Name, p.Type == Namespace)
	case Registry:
		if p.Name != catalog {
			return fmt.Sprintf("a registry has nothing but its catalog: write %s", Catalog)
		}
		return ""
	default:
		return fmt.Sprintf("unknown type %q: use repository, namespace or registry", printable.Clip(string(p.Type)))
	}
}

// actionsFault says what is wrong with the actions.
func (p Permission) actionsFault() string {
	switch {
	case p.Actions == 0:
		return "no actions are given: use pull, push, delete or *, separated by commas"
	case !All.Has(p.Actions):
		return fmt.Sprintf("the set of actions %#b is unknown: use pull, push, delete or *", uint8(p.Actions))
	case p.Type == Registry && p.Actions != All:
		return fmt.Sprintf("the catalog takes the actions * only: write %s", Catalog)
	default:
		return ""
	}
}

func permissionError(permission, fault string) error {
	return fmt.Errorf("%w %q: %s", ErrInvalidPermission, printable.Clip(permission), fault)
}

// String writes the permission as [ParsePermission] reads it, its actions in
// the order pull, push, delete.
func (p Permission) String() string {
	return string(p.Type) + ":" + p.Name + ":" + p.Actions.String()
}

// MarshalText implements [encoding.TextMarshaler].
func (p Permission) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Permission) UnmarshalText(text []byte) error {
	parsed, err := ParsePermission(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// Matches reports whether the permission says anything about the repository or
// registry of that name when username asks. To decide about actions, ask
// [Rights], which knows every permission of a subject.
func (p Permission) Matches(username string, t Type, name string) bool {
	return NewRights(username, []Permission{p}).Allowed(t, name) != 0
}

// pattern is the pattern of the repositories that the permission is about.
func (p Permission) pattern(username string) (glob.Pattern, bool) {
	if p.Type == Namespace {
		return compile(p.Name+"/**", username)
	}
	return compile(p.Name, username)
}
