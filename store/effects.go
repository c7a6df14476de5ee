package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// Effects are what granting or revoking a permission does to whom.
type Effects struct {
	// Permission is what the subject would have for the type and name. Its Actions are
	// zero when nothing would be left.
	Permission access.Permission
	// Effects are for those who can do more or less then.
	Effects []Effect
	// Same are those for whom nothing changes, because of other permissions, and
	// Disabled those for whom nothing counts as long as they are disabled.
	Same, Disabled int
}

// Effect is what some users and robots can do more, or less, with everything that the
// permission is about.
type Effect struct {
	// One of these is empty.
	Gained, Lost  access.Actions
	Users, Robots int
	// Some are the first of them by name.
	Some []subject.Ref
}

// effectExamples is how many of those are named whom an effect is about.
const effectExamples = 5

// GrantEffects says what [Store.Grant] would do, and does nothing. Errors: those of
// that.
func (s *Store) GrantEffects(ctx context.Context, ref subject.Ref, p access.Permission) (Effects, error) {
	return s.effectsOf(ctx, ref, p, func(tx *sql.Tx, owner Subject, held access.Actions) (access.Actions, error) {
		if held != 0 {
			return held | p.Actions, nil
		}
		return p.Actions, s.roomForPermission(ctx, tx, owner)
	})
}

// RevokeEffects says what [Store.Revoke] would do, and does nothing. Errors: those of
// that.
func (s *Store) RevokeEffects(ctx context.Context, ref subject.Ref, p access.Permission) (Effects, error) {
	return s.effectsOf(ctx, ref, p, func(_ *sql.Tx, _ Subject, held access.Actions) (access.Actions, error) {
		remaining, err := remainder(ref, p, held)
		return remaining.Actions, err
	})
}

func (s *Store) effectsOf(ctx context.Context, ref subject.Ref, p access.Permission, change func(*sql.Tx, Subject, access.Actions) (access.Actions, error)) (Effects, error) {
	if err := p.Validate(); err != nil {
		return Effects{}, err
	}
	tx, err := s.reader.BeginTx(ctx, s.dialect.Snapshot)
	if err != nil {
		return Effects{}, fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	owner, err := readSubject(ctx, tx, ref)
	if err != nil {
		return Effects{}, err
	}
	held, err := heldActions(ctx, tx, owner.ID, p)
	if err != nil {
		return Effects{}, err
	}
	next, err := change(tx, owner, held)
	if err != nil {
		return Effects{}, err
	}
	w := &effectsWalk{tx: tx, owner: owner, permission: p, sure: map[int64]access.Actions{}, perhaps: map[int64][]access.Permission{}, groups: map[int64][]int64{}}
	w.effects.Permission = access.Permission{Type: p.Type, Name: p.Name, Actions: next}
	if err := w.run(ctx, held, next); err != nil {
		return Effects{}, fmt.Errorf("find out about the effects of %s for %s: %w", p, ref, err)
	}
	return w.effects, nil
}

// effectsWalk finds out, for each user and robot that a permission is for, what others
// give for the same.
type effectsWalk struct {
	tx         *sql.Tx
	owner      Subject
	permission access.Permission
	// sure are the actions that the permissions of a subject give for all of it, and
	// perhaps those permissions for which that depends on who asks.
	sure    map[int64]access.Actions
	perhaps map[int64][]access.Permission
	// groups are those of a user or robot that give something.
	groups  map[int64][]int64
	effects Effects
}

// who is the condition on the subjects s that have the permission.
func (w *effectsWalk) who() (condition string, args []any) {
	switch {
	case w.owner.ID == anonymousID:
		return "s.kind <> 'group'", nil
	case w.owner.ID == authenticatedID:
		return "s.kind <> 'group' AND s.id <> ?", []any{anonymousID}
	case w.owner.Ref.Kind == subject.Group:
		return "s.id IN (SELECT member_id FROM memberships WHERE group_id = ?)", []any{w.owner.ID}
	default:
		return "s.id = ?", []any{w.owner.ID}
	}
}

func (w *effectsWalk) run(ctx context.Context, before, after access.Actions) error {
	who, args := w.who()
	for _, q := range []struct {
		read  func(scanner) error
		query string
		args  []any
	}{
		{w.readPermission, "SELECT p.subject_id, p.type, p.name, p.actions FROM permissions p JOIN subjects s ON s.id = p.subject_id WHERE s.kind = 'group' AND s.disabled = 0 OR s.id = ?", []any{anonymousID}},
		{w.readPermission, "SELECT p.subject_id, p.type, p.name, p.actions FROM permissions p JOIN subjects s ON s.id = p.subject_id WHERE s.id <> ? AND " + who, append([]any{anonymousID}, args...)},
		{w.readMembership, "SELECT m.member_id, m.group_id FROM memberships m JOIN subjects s ON s.id = m.member_id WHERE " + who, args},
		{func(row scanner) error { return w.readHolder(row, before, after) }, "SELECT s.id, s.kind, s.name, s.disabled FROM subjects s WHERE " + who + " ORDER BY s.name", args},
	} {
		rows, err := w.tx.QueryContext(ctx, q.query, q.args...)
		if err == nil {
			err = eachRow(rows, q.read)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *effectsWalk) readPermission(row scanner) error {
	var id int64
	var p access.Permission
	if err := row.Scan(&id, &p.Type, &p.Name, &p.Actions); err != nil {
		return err
	}
	const asks = "{"
	switch {
	case id == w.owner.ID && p.Type == w.permission.Type && p.Name == w.permission.Name: // this one changes
	case strings.Contains(p.Name+w.permission.Name, asks):
		w.perhaps[id] = append(w.perhaps[id], p)
	case p.Covers("", w.permission):
		w.sure[id] |= p.Actions.Implied()
	}
	return nil
}

func (w *effectsWalk) readMembership(row scanner) error {
	var member, group int64
	if err := row.Scan(&member, &group); err != nil {
		return err
	}
	if w.sure[group] != 0 || len(w.perhaps[group]) > 0 {
		w.groups[member] = append(w.groups[member], group)
	}
	return nil
}

// given is what the permissions of a subject give for all of it when username asks.
func (w *effectsWalk) given(id int64, username string) access.Actions {
	actions := w.sure[id]
	for _, p := range w.perhaps[id] {
		if p.Covers(username, w.permission) {
			actions |= p.Actions.Implied()
		}
	}
	return actions
}

// readHolder counts a subject that has the permission.
func (w *effectsWalk) readHolder(row scanner, before, after access.Actions) error {
	var (
		id       int64
		ref      subject.Ref
		disabled bool
	)
	if err := row.Scan(&id, &ref.Kind, &ref.Name, &disabled); err != nil {
		return err
	}
	if disabled || w.owner.Disabled {
		w.effects.Disabled++
		return nil
	}
	username := ref.Name
	others := w.given(id, username) | w.given(anonymousID, username)
	if id == anonymousID {
		username = ""
		others = w.given(id, username)
	} else {
		others |= w.given(authenticatedID, username)
	}
	for _, group := range w.groups[id] {
		others |= w.given(group, username)
	}
	if !w.permission.Covers(username, w.permission) { // it takes a name, and no subject asks
		before, after = 0, 0
	}
	had, has := others|before.Implied(), others|after.Implied()
	w.count(ref, has&^had, had&^has)
	return nil
}

func (w *effectsWalk) count(ref subject.Ref, gained, lost access.Actions) {
	if gained|lost == 0 {
		w.effects.Same++
		return
	}
	i := slices.IndexFunc(w.effects.Effects, func(e Effect) bool { return e.Gained == gained && e.Lost == lost })
	if i < 0 {
		i = len(w.effects.Effects)
		w.effects.Effects = append(w.effects.Effects, Effect{Gained: gained, Lost: lost})
	}
	e := &w.effects.Effects[i]
	if ref.Kind == subject.Robot {
		e.Robots++
	} else {
		e.Users++
	}
	if len(e.Some) < effectExamples {
		e.Some = append(e.Some, ref)
	}
}
