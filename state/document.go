// Package state writes everything that decides about rights as one document:
// users, robots, groups with their members, permissions, and which issuers are
// trusted to say whose a job or a workload is.
//
// A document is YAML, or JSON:
//
//	version: dockit/v1
//	users:
//	  - name: alice
//	    admin: true
//	robots:
//	  - name: ci
//	    permissions:
//	      - repository:team/**:push
//	groups:
//	  - name: authenticated
//	    permissions:
//	      - repository:{username}/**:*
//	  - name: dev
//	    members:
//	      - user:alice
//	      - robot:ci
//	issuers:
//	  - name: github
//	    url: https://token.actions.githubusercontent.com
//	    kind: github
//	bindings:
//	  - name: app-main
//	    issuer: github
//	    robot: robot:ci
//	    claims:
//	      - repository_id=74
//	      - ref=refs/heads/main
//
// The names of users, robots and groups share one name space; issuers and bindings
// have each their own. Reading is
// strict: a field that is not known, a name given twice and a permission
// outside the syntax are errors that name the line and the entry.
//
// A [Differ] compares a document with a state. What comes of it is a [Plan],
// which reads like a diff and which a store can carry out.
//
// # Passwords
//
// No document that Dockit writes of itself holds a secret. The one field that
// may bring one is password_hash, a bcrypt or argon2id hash from elsewhere, so
// that people keep their passwords when they move to Dockit. A user without it
// keeps the password that is set, if one is; a new user without it cannot log
// in until an administrator sets a password. A document with it sets that password
// every time it is applied.
//
// # Built-in subjects
//
// user:anonymous and group:authenticated exist always. In a document they have
// permissions and nothing else, and no plan removes them.
//
// The package is pure: it opens no file and no database.
package state

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/subject"
)

// Version is the version of the format, which every document names.
const Version = "dockit/v1"

// ErrInvalid is returned for a document that breaks a rule of the format.
var ErrInvalid = errors.New("invalid state document")

// Document is users, robots and groups, issuers and bindings, in their canonical
// order: see [Document.Sort].
type Document struct {
	Subjects []Subject
	Issuers  []Issuer
	Bindings []Binding
}

// Subject is one user, robot or group with what belongs to it.
type Subject struct {
	Ref subject.Ref
	// Admin opens the admin API. Only users have it.
	Admin bool
	// Disabled subjects cannot log in; a disabled group gives its members
	// nothing.
	Disabled bool
	// PasswordHash brings a password of a user from elsewhere. Empty leaves
	// the password as it is. It is a secret: nothing may print it.
	PasswordHash string
	// Members are the users and robots in a group.
	Members []subject.Ref
	// Permissions are what was given to the subject itself. There is one for
	// each type and name.
	Permissions []access.Permission
}

// Sort brings a document into its canonical order: users before robots before
// groups, each by name; members likewise; permissions by type and name; issuers and
// bindings by name, and what they list by its text.
func (d *Document) Sort() {
	slices.SortFunc(d.Subjects, func(a, b Subject) int { return Compare(a.Ref, b.Ref) })
	for i := range d.Subjects {
		slices.SortFunc(d.Subjects[i].Members, Compare)
		slices.SortFunc(d.Subjects[i].Permissions, comparePermissions)
	}
	d.sortTrust()
}

// Compare orders subjects as documents list them: users before robots before
// groups, each by name.
func Compare(a, b subject.Ref) int {
	return cmp.Or(cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)), cmp.Compare(a.Name, b.Name))
}

func kindOrder(k subject.Kind) int { return slices.Index(subject.Kinds, k) }

func comparePermissions(a, b access.Permission) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
}

// Validate reports the first thing that breaks a rule of the format, or nil.
func (d *Document) Validate() error {
	names := make(map[string]subject.Ref, len(d.Subjects))
	for _, s := range d.Subjects {
		for _, err := range s.faults() {
			return fmt.Errorf("%w: %s: %w", ErrInvalid, s.Ref, err)
		}
		if err := claim(names, s.Ref); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	if err := d.trustFault(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// claim notes that a name is used, once for all kinds.
func claim(names map[string]subject.Ref, ref subject.Ref) error {
	switch other, taken := names[ref.Name]; {
	case !taken:
		names[ref.Name] = ref
		return nil
	case other == ref:
		return fmt.Errorf("%s is listed twice: merge both entries", ref)
	default:
		return fmt.Errorf("%s has the name of %s: users, robots and groups share one name space", ref, other)
	}
}

// place says where in an entry something is: a field, and of a list the item,
// counted from 1.
type place struct {
	field string
	item  int
}

// The fields of an entry.
const (
	fieldName         = "name"
	fieldAdmin        = "admin"
	fieldDisabled     = "disabled"
	fieldPasswordHash = "password_hash"
	fieldMembers      = "members"
	fieldPermissions  = "permissions"
)

// faults lists what is wrong with one entry, and where.
func (s Subject) faults() iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		_ = s.nameFaults(yield) && s.flagFaults(yield) && s.memberFaults(yield) && s.permissionFaults(yield)
	}
}

func (s Subject) nameFaults(yield func(place, error) bool) bool {
	if _, err := subject.ParseKind(string(s.Ref.Kind)); err != nil {
		return yield(place{field: fieldName}, err)
	}
	if err := subject.ValidateName(s.Ref.Name); err != nil {
		return yield(place{field: fieldName}, err)
	}
	for _, builtIn := range []subject.Ref{subject.Anonymous, subject.Authenticated} {
		if s.Ref.Name == builtIn.Name && s.Ref != builtIn {
			return yield(place{field: fieldName}, fmt.Errorf("the name belongs to %s, which is built in: choose another", builtIn))
		}
	}
	return true
}

func (s Subject) flagFaults(yield func(place, error) bool) bool {
	builtIn := s.Ref.BuiltIn()
	for _, rule := range []struct {
		field  string
		broken bool
		fault  string
	}{
		{fieldAdmin, s.Admin && s.Ref.Kind != subject.User, "only users can be admins"},
		{fieldAdmin, s.Admin && builtIn, "a built-in subject takes permissions only"},
		{fieldDisabled, s.Disabled && builtIn, "a built-in subject takes permissions only"},
		{fieldPasswordHash, s.PasswordHash != "" && s.Ref.Kind != subject.User, "only users have passwords"},
		{fieldPasswordHash, s.PasswordHash != "" && builtIn, "a built-in subject takes permissions only"},
		{fieldMembers, len(s.Members) > 0 && s.Ref.Kind != subject.Group, "only groups have members"},
		{fieldMembers, len(s.Members) > 0 && builtIn, "everyone who logged in is a member, nobody can be put in"},
	} {
		if rule.broken && !yield(place{field: rule.field}, errors.New(rule.fault)) {
			return false
		}
	}
	if s.PasswordHash != "" {
		if err := password.CheckImported(s.PasswordHash); err != nil {
			if errors.Is(err, password.ErrTooDear) {
				err = fmt.Errorf("%w: leave it out, which keeps the password as it is, and set a new one with rbac change-password", err)
			}
			return yield(place{field: fieldPasswordHash}, err)
		}
	}
	return true
}

func (s Subject) memberFaults(yield func(place, error) bool) bool {
	seen := make(map[subject.Ref]bool, len(s.Members))
	for i, member := range s.Members {
		var fault error
		switch {
		case subject.ValidateName(member.Name) != nil:
			fault = subject.ValidateName(member.Name)
		case member.Kind != subject.User && member.Kind != subject.Robot:
			fault = fmt.Errorf("%s: groups have users and robots as members, nothing else", member)
		case member.BuiltIn():
			fault = fmt.Errorf("%s cannot be a member of a group", member)
		case seen[member]:
			fault = fmt.Errorf("%s is listed twice", member)
		}
		seen[member] = true
		if fault != nil && !yield(place{fieldMembers, i + 1}, fault) {
			return false
		}
	}
	return true
}

func (s Subject) permissionFaults(yield func(place, error) bool) bool {
	type target struct {
		kind access.Type
		name string
	}
	seen := make(map[target]access.Permission, len(s.Permissions))
	for i, p := range s.Permissions {
		fault := p.Validate()
		if other, twice := seen[target{p.Type, p.Name}]; fault == nil && twice {
			merged := p
			merged.Actions |= other.Actions
			fault = fmt.Errorf("%s and %s are about the same: write %s", other, p, merged)
		}
		seen[target{p.Type, p.Name}] = p
		if fault != nil && !yield(place{fieldPermissions, i + 1}, fault) {
			return false
		}
	}
	return true
}
