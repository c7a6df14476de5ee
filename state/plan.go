package state

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// ErrConflict is returned when a document cannot become the state: it names a
// member that does not exist, or takes a name that belongs to another kind of
// subject.
var ErrConflict = errors.New("the document does not fit what is there")

// Options say how far a document reaches.
type Options struct {
	// Prune removes subjects that the document does not list. Built-in
	// subjects stay and lose their permissions.
	Prune bool
	// Add takes nothing from anybody: subjects that exist already get the
	// members and permissions of the document in addition to their own, and
	// keep everything else as it is. A user without a password gets one.
	// It excludes Prune.
	Add bool
	// ReplacePasswords lets Add take passwords: a hash in the document takes
	// the place of the one that a user has. Without Add it says nothing: a
	// document that lists a hash sets it.
	ReplacePasswords bool
}

// ErrOptions is returned for [Options] that exclude each other.
var ErrOptions = errors.New("a document can prune or only add, not both")

// Action is what happens to a subject.
type Action string

// The actions of a [Change].
const (
	Create Action = "create"
	Update Action = "update"
	Remove Action = "remove"
)

// Change is what happens to one subject.
type Change struct {
	Action  Action      `json:"action" enum:"create,update,remove"`
	Subject subject.Ref `json:"subject"`
	// Admin and Disabled are what the flags become; nil leaves them.
	Admin    *bool `json:"admin,omitempty" doc:"What the flag becomes. Absent: it stays."`
	Disabled *bool `json:"disabled,omitempty" doc:"What the flag becomes. Absent: it stays."`
	// PasswordHash is what the hash becomes; empty leaves it.
	PasswordHash string `json:"-"`
	// Password tells that the password changes.
	Password      bool          `json:"password,omitempty" doc:"Whether the password changes."`
	AddMembers    []subject.Ref `json:"add_members,omitempty" nullable:"false"`
	RemoveMembers []subject.Ref `json:"remove_members,omitempty" nullable:"false"`
	// Revoke and Grant are whole permissions. Where both hold the same type and
	// name, Grant replaces the actions of Revoke.
	Revoke []access.Permission `json:"revoke,omitempty" nullable:"false" doc:"Permissions that go, or have other actions before."`
	Grant  []access.Permission `json:"grant,omitempty" nullable:"false" doc:"Permissions that come, or have other actions afterwards."`
}

// Plan is what makes one state of another, in the canonical order of subjects.
// It is empty when there is nothing to do.
type Plan struct {
	Changes []Change
}

// Diff plans how current becomes what wanted says. Errors: [ErrConflict],
// [ErrOptions], [ErrInvalid].
func Diff(current, wanted *Document, o Options) (Plan, error) {
	d, err := NewDiffer(wanted, o)
	if err != nil {
		return Plan{}, err
	}
	for _, s := range current.Subjects {
		d.Current(s)
	}
	return d.Plan()
}

// Differ compares a document with a state that is read one subject after the
// other. Its memory grows with the document and with what changes, not with
// the state.
type Differ struct {
	options Options
	wanted  map[subject.Ref]Subject
	order   []subject.Ref
	seen    map[subject.Ref]bool
	// named holds every subject that the document mentions, as an entry or as
	// a member, by its name; the value tells what has the name now.
	named   map[string]subject.Ref
	changes []Change
}

// NewDiffer prepares to compare. The document must hold for [Document.Validate].
func NewDiffer(wanted *Document, o Options) (*Differ, error) {
	if o.Prune && o.Add {
		return nil, ErrOptions
	}
	if err := wanted.Validate(); err != nil {
		return nil, err
	}
	d := &Differ{
		options: o,
		wanted:  make(map[subject.Ref]Subject, len(wanted.Subjects)),
		seen:    make(map[subject.Ref]bool),
		named:   make(map[string]subject.Ref),
	}
	for _, s := range wanted.Subjects {
		d.wanted[s.Ref] = s
		d.order = append(d.order, s.Ref)
		d.named[s.Ref.Name] = subject.Ref{}
		for _, member := range s.Members {
			d.named[member.Name] = subject.Ref{}
		}
	}
	return d, nil
}

// Current tells of one subject that exists, with the hash of its password if
// it has one. Each comes once, in any order. Built-in subjects without
// permissions may be left out.
func (d *Differ) Current(current Subject) {
	if _, named := d.named[current.Ref.Name]; named {
		d.named[current.Ref.Name] = current.Ref
	}
	wanted, listed := d.wanted[current.Ref]
	switch {
	case listed:
		d.seen[current.Ref] = true
		if d.options.Add {
			wanted = added(current, wanted, d.options.ReplacePasswords)
		}
	case !d.options.Prune:
		return
	case !current.Ref.BuiltIn():
		d.changes = append(d.changes, Change{
			Action: Remove, Subject: current.Ref,
			RemoveMembers: slices.Clone(current.Members), Revoke: slices.Clone(current.Permissions),
		})
		return
	default:
		wanted = Subject{Ref: current.Ref}
	}
	if change, needed := difference(current, wanted); needed {
		change.Action = Update
		d.changes = append(d.changes, change)
	}
}

// added is what becomes of a subject when nothing is taken from it but, if that
// is wanted, its password.
func added(current, wanted Subject, replacePassword bool) Subject {
	sum := Subject{Ref: current.Ref, Admin: current.Admin, Disabled: current.Disabled}
	if current.PasswordHash == "" || replacePassword {
		sum.PasswordHash = wanted.PasswordHash
	}
	sum.Members = slices.Clone(current.Members)
	for _, member := range wanted.Members {
		if !slices.Contains(sum.Members, member) {
			sum.Members = append(sum.Members, member)
		}
	}
	sum.Permissions = slices.Clone(current.Permissions)
	for _, p := range wanted.Permissions {
		i := slices.IndexFunc(sum.Permissions, func(held access.Permission) bool { return comparePermissions(held, p) == 0 })
		switch {
		case i < 0:
			sum.Permissions = append(sum.Permissions, p)
		case !sum.Permissions[i].Actions.Implied().Has(p.Actions):
			sum.Permissions[i].Actions |= p.Actions
		}
	}
	return sum
}

// difference is what makes wanted of current, and whether that is anything.
func difference(current, wanted Subject) (Change, bool) {
	c := Change{Subject: wanted.Ref}
	if current.Admin != wanted.Admin {
		c.Admin = &wanted.Admin
	}
	if current.Disabled != wanted.Disabled {
		c.Disabled = &wanted.Disabled
	}
	if wanted.PasswordHash != "" && wanted.PasswordHash != current.PasswordHash {
		c.PasswordHash, c.Password = wanted.PasswordHash, true
	}
	c.RemoveMembers, c.AddMembers = exclusive(current.Members, wanted.Members, Compare)
	c.Revoke, c.Grant = exclusive(current.Permissions, wanted.Permissions, comparePermissions)
	return c, c.Admin != nil || c.Disabled != nil || c.Password ||
		len(c.RemoveMembers)+len(c.AddMembers)+len(c.Revoke)+len(c.Grant) > 0
}

// exclusive returns what only the one and what only the other list holds, both
// in order.
func exclusive[T comparable](one, other []T, compare func(a, b T) int) (onlyOne, onlyOther []T) {
	missing := func(from, in []T) []T {
		held := make(map[T]bool, len(in))
		for _, x := range in {
			held[x] = true
		}
		var only []T
		for _, x := range from {
			if !held[x] {
				only = append(only, x)
			}
		}
		slices.SortFunc(only, compare)
		return only
	}
	return missing(one, other), missing(other, one)
}

// Plan returns what is to be done once every subject that exists was told of.
func (d *Differ) Plan() (Plan, error) {
	for _, ref := range d.order {
		wanted := d.wanted[ref]
		if err := d.fits(wanted); err != nil {
			return Plan{}, err
		}
		if d.seen[ref] {
			continue
		}
		change, needed := difference(Subject{Ref: ref}, wanted)
		switch {
		case !ref.BuiltIn():
			change.Action = Create
		case !needed:
			continue
		default: // it exists always, whether or not somebody told of it
			change.Action = Update
		}
		d.changes = append(d.changes, change)
	}
	slices.SortStableFunc(d.changes, func(a, b Change) int { return Compare(a.Subject, b.Subject) })
	return Plan{d.changes}, nil
}

// fits reports why an entry cannot become part of the state, or nil.
func (d *Differ) fits(s Subject) error {
	if holder := d.named[s.Ref.Name]; holder.Kind != "" && holder != s.Ref && (!d.options.Prune || holder.BuiltIn()) {
		return fmt.Errorf("%w: %s has the name of %s, which exists: choose another name, or remove %[3]s first", ErrConflict, s.Ref, holder)
	}
	for _, member := range s.Members {
		if _, listed := d.wanted[member]; listed {
			continue
		}
		if d.options.Prune || d.named[member.Name] != member {
			return fmt.Errorf("%w: %s has the member %s, which does not exist: list it, or leave it out", ErrConflict, s.Ref, member)
		}
	}
	return nil
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Changes) == 0 }

// Counts says how many subjects are made, changed and removed.
func (p Plan) Counts() (created, updated, removed int) {
	for _, c := range p.Changes {
		switch c.Action {
		case Create:
			created++
		case Update:
			updated++
		case Remove:
			removed++
		}
	}
	return created, updated, removed
}
