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
	// Prune removes subjects, issuers and bindings that the document does not list.
	// Built-in subjects stay and lose their permissions.
	Prune bool
	// Add takes nothing from any subject: those that exist already get the
	// members and permissions of the document in addition to their own, and
	// keep everything else as it is; issuers and bindings that exist stay. A user without a password gets one.
	// It excludes Prune.
	Add bool
	// ReplacePasswords lets Add take passwords: a hash in the document takes
	// the place of the one that a user has. Without Add it says nothing: a
	// document that lists a hash sets it.
	ReplacePasswords bool
	// MaxPermissions is how many permissions a subject may have. One that has
	// more keeps them, and gets no further ones. Zero is any number.
	MaxPermissions int
}

// ErrTooManyPermissions is returned when a subject would have more permissions
// than [Options] allow.
var ErrTooManyPermissions = errors.New("too many permissions")

// maxRemovals is how many members and permissions a plan can take away. What it
// adds is bounded by the document, and this by nothing else.
const maxRemovals = 2_000_000

// ErrTooManyRemovals is returned for a plan that takes away more than one plan
// can hold.
var ErrTooManyRemovals = fmt.Errorf("the document would take away more than %d members and permissions, which is more than one plan can hold: apply it in steps", maxRemovals)

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
	// Password says that the password changes.
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
	// Issuers and Bindings are those that change, by name.
	Issuers, Bindings []TrustChange
	// Warnings are what there is to know about bindings once it is carried out, if
	// a store says so.
	Warnings []string
}

// Differ compares a document with a state that is read one subject after the
// other. Its memory grows with the document and with what changes, not with
// the state.
type Differ struct {
	options Options
	// document is what is wanted, and wanted its entries.
	document *Document
	wanted   map[subject.Ref]*Subject
	seen     map[subject.Ref]bool
	// named holds every subject that the document mentions, as an entry or as
	// a member, by its name; the value says what has the name now.
	named    map[string]subject.Ref
	changes  []Change
	removals int
	err      error
	trust    trustDiffer
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
		options:  o,
		document: wanted,
		wanted:   make(map[subject.Ref]*Subject, len(wanted.Subjects)),
		seen:     make(map[subject.Ref]bool),
		named:    make(map[string]subject.Ref, len(wanted.Subjects)),
		trust:    newTrustDiffer(wanted),
	}
	for _, b := range wanted.Bindings {
		d.named[b.Robot.Name] = subject.Ref{}
	}
	for i, s := range wanted.Subjects {
		d.wanted[s.Ref] = &wanted.Subjects[i]
		d.named[s.Ref.Name] = subject.Ref{}
		for _, member := range s.Members {
			d.named[member.Name] = subject.Ref{}
		}
	}
	return d, nil
}

// Concerns reports whether the plan may say something about the subject.
func (d *Differ) Concerns(ref subject.Ref) bool {
	_, named := d.named[ref.Name]
	return named || d.options.Prune
}

// Current takes one subject that exists, with the hash of its password if
// it has one. Each comes once, in any order. Built-in subjects without
// permissions may be left out. Its lists become the Differ's. After an
// error there is no plan.
func (d *Differ) Current(current Subject) error {
	if d.err == nil {
		d.err = d.current(current)
	}
	return d.err
}

func (d *Differ) current(current Subject) error {
	if _, named := d.named[current.Ref.Name]; named {
		d.named[current.Ref.Name] = current.Ref
	}
	entry, listed := d.wanted[current.Ref]
	var wanted Subject
	switch {
	case listed:
		wanted = *entry
		d.seen[current.Ref] = true
		if d.options.Add {
			wanted = added(current, wanted, d.options.ReplacePasswords)
		}
	case !d.options.Prune:
		return nil
	case !current.Ref.BuiltIn():
		return d.plan(Change{
			Action: Remove, Subject: current.Ref,
			RemoveMembers: current.Members, Revoke: current.Permissions,
		})
	default:
		wanted = Subject{Ref: current.Ref}
	}
	change, needed := difference(current, wanted)
	if !needed {
		return nil
	}
	if err := d.options.checkNumber(wanted, len(current.Permissions)); err != nil {
		return err
	}
	change.Action = Update
	return d.plan(change)
}

// plan takes a change into the plan.
func (d *Differ) plan(c Change) error {
	if d.removals += len(c.RemoveMembers) + len(c.Revoke); d.removals > maxRemovals {
		return ErrTooManyRemovals
	}
	d.changes = append(d.changes, c)
	return nil
}

// checkNumber refuses more permissions for a subject than it may have, unless it
// had as many.
func (o Options) checkNumber(s Subject, had int) error {
	if o.MaxPermissions == 0 || len(s.Permissions) <= max(had, o.MaxPermissions) {
		return nil
	}
	return fmt.Errorf("%w: %s would have %d, at most %d are allowed for one user, robot or group", ErrTooManyPermissions, s.Ref, len(s.Permissions), o.MaxPermissions)
}

// added is what becomes of a subject when nothing is taken from it but, if that
// is wanted, its password.
func added(current, wanted Subject, replacePassword bool) Subject {
	sum := Subject{Ref: current.Ref, Admin: current.Admin, Disabled: current.Disabled}
	if current.PasswordHash == "" || replacePassword {
		sum.PasswordHash = wanted.PasswordHash
	}
	sum.Members = union(current.Members, wanted.Members, Compare, func(held, _ subject.Ref) subject.Ref { return held })
	sum.Permissions = union(current.Permissions, wanted.Permissions, comparePermissions, func(held, p access.Permission) access.Permission {
		if !held.Actions.Implied().Has(p.Actions) {
			held.Actions |= p.Actions
		}
		return held
	})
	return sum
}

// union merges two lists into one that is in order. Of what both hold, merge
// decides.
func union[T any](one, other []T, compare func(a, b T) int, merge func(a, b T) T) []T {
	one, other = inOrder(one, compare), inOrder(other, compare)
	all := make([]T, 0, len(one)+len(other))
	for len(one) > 0 && len(other) > 0 {
		switch order := compare(one[0], other[0]); {
		case order < 0:
			all, one = append(all, one[0]), one[1:]
		case order > 0:
			all, other = append(all, other[0]), other[1:]
		default:
			all, one, other = append(all, merge(one[0], other[0])), one[1:], other[1:]
		}
	}
	return append(append(all, one...), other...)
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

// inOrder is a list in order: itself, mostly.
func inOrder[T any](list []T, compare func(a, b T) int) []T {
	if slices.IsSortedFunc(list, compare) {
		return list
	}
	return slices.SortedFunc(slices.Values(list), compare)
}

// exclusive returns what only the one and what only the other list holds, both
// in order. What is returned may be the lists themselves.
func exclusive[T comparable](one, other []T, compare func(a, b T) int) (onlyOne, onlyOther []T) {
	one, other = inOrder(one, compare), inOrder(other, compare)
	if len(one) == 0 || len(other) == 0 {
		return one, other
	}
	for len(one) > 0 && len(other) > 0 {
		switch order := compare(one[0], other[0]); {
		case order < 0:
			onlyOne, one = append(onlyOne, one[0]), one[1:]
		case order > 0:
			onlyOther, other = append(onlyOther, other[0]), other[1:]
		default:
			if one[0] != other[0] {
				onlyOne, onlyOther = append(onlyOne, one[0]), append(onlyOther, other[0])
			}
			one, other = one[1:], other[1:]
		}
	}
	return append(onlyOne, one...), append(onlyOther, other...)
}

// Plan returns what is to be done once every subject that exists was passed to [Differ.Current]. It
// shares lists with the document.
func (d *Differ) Plan() (Plan, error) {
	if d.err != nil {
		return Plan{}, d.err
	}
	for _, wanted := range d.document.Subjects {
		ref := wanted.Ref
		if err := d.fits(wanted); err != nil {
			return Plan{}, err
		}
		if d.seen[ref] {
			continue
		}
		if err := d.options.checkNumber(wanted, 0); err != nil {
			return Plan{}, err
		}
		change, needed := difference(Subject{Ref: ref}, wanted)
		switch {
		case !ref.BuiltIn():
			change.Action = Create
		case !needed:
			continue
		default: // it exists always, whether or not Current got it
			change.Action = Update
		}
		d.changes = append(d.changes, change)
	}
	slices.SortStableFunc(d.changes, func(a, b Change) int { return Compare(a.Subject, b.Subject) })
	issuers, bindings, err := d.planTrust()
	if err != nil {
		return Plan{}, err
	}
	return Plan{Changes: d.changes, Issuers: issuers, Bindings: bindings}, nil
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
func (p Plan) Empty() bool { return len(p.Changes)+len(p.Issuers)+len(p.Bindings) == 0 }

// Counts says how many subjects, issuers and bindings are made, changed and removed.
func (p Plan) Counts() (created, updated, removed int) {
	counts := map[Action]int{}
	for _, c := range p.Changes {
		counts[c.Action]++
	}
	for _, c := range p.Issuers {
		counts[c.Action]++
	}
	for _, c := range p.Bindings {
		counts[c.Action]++
	}
	return counts[Create], counts[Update], counts[Remove]
}
