package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/subject"
)

// Grant gives a subject a permission, in addition to the actions it has for
// the same type and name, and returns what it has for them now. Errors:
// [ErrNotFound], and [state.ErrTooManyPermissions].
func (s *Store) Grant(ctx context.Context, ref subject.Ref, p access.Permission) (access.Permission, error) {
	if err := p.Validate(); err != nil {
		return access.Permission{}, err
	}
	granted := p
	err := s.change(ctx, func(tx *sql.Tx) (affected, error) {
		owner, err := readSubject(ctx, tx, ref)
		if err != nil {
			return nobody, err
		}
		held, err := heldActions(ctx, tx, owner.ID, p)
		if err != nil {
			return nobody, err
		}
		granted.Actions = p.Actions | held
		now := timestamp(s.now())
		if held == 0 {
			if err := s.roomForPermission(ctx, tx, owner); err != nil {
				return nobody, err
			}
			_, err = tx.ExecContext(ctx,
				"INSERT INTO permissions (subject_id, type, name, actions, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
				owner.ID, p.Type, p.Name, granted.Actions, now, now)
		} else {
			_, err = tx.ExecContext(ctx,
				"UPDATE permissions SET actions = ?, updated_at = ? WHERE subject_id = ? AND type = ? AND name = ?",
				granted.Actions, now, owner.ID, p.Type, p.Name)
		}
		if err != nil {
			return nobody, fmt.Errorf("grant %s to %s: %w", p, ref, err)
		}
		if granted.Actions == held {
			return affects(owner), nil
		}
		return affects(owner), s.record(ctx, tx, audit.Grant, ref, permissionState(access.Permission{Type: p.Type, Name: p.Name, Actions: held}), permissionState(granted))
	})
	return granted, err
}

// Revoke takes the actions of a permission from a subject and returns what
// remains for the same type and name; its Actions are zero when nothing does.
// Errors: [ErrNotFound] when the subject has none of the actions,
// [ErrIncluded] when pull is to go and push to stay.
func (s *Store) Revoke(ctx context.Context, ref subject.Ref, p access.Permission) (access.Permission, error) {
	if err := p.Validate(); err != nil {
		return access.Permission{}, err
	}
	remaining := p
	err := s.change(ctx, func(tx *sql.Tx) (affected, error) {
		owner, err := readSubject(ctx, tx, ref)
		if err != nil {
			return nobody, err
		}
		held, err := heldActions(ctx, tx, owner.ID, p)
		if err != nil {
			return nobody, err
		}
		if remaining, err = remainder(ref, p, held); err != nil {
			return nobody, err
		}
		if remaining.Actions == 0 {
			_, err = tx.ExecContext(ctx,
				"DELETE FROM permissions WHERE subject_id = ? AND type = ? AND name = ?", owner.ID, p.Type, p.Name)
		} else {
			_, err = tx.ExecContext(ctx,
				"UPDATE permissions SET actions = ?, updated_at = ? WHERE subject_id = ? AND type = ? AND name = ?",
				remaining.Actions, timestamp(s.now()), owner.ID, p.Type, p.Name)
		}
		if err != nil {
			return nobody, fmt.Errorf("revoke %s from %s: %w", p, ref, err)
		}
		return affects(owner), s.record(ctx, tx, audit.Revoke, ref, permissionState(access.Permission{Type: p.Type, Name: p.Name, Actions: held}), permissionState(remaining))
	})
	return remaining, err
}

// remainder is what is left of held when a permission is revoked.
func remainder(ref subject.Ref, p access.Permission, held access.Actions) (access.Permission, error) {
	remaining := access.Permission{Type: p.Type, Name: p.Name, Actions: held &^ p.Actions}
	switch {
	case p.Actions&access.Pull != 0 && remaining.Actions&access.Push != 0:
		return remaining, fmt.Errorf("%s keeps %s: %w: revoke push as well", ref, remaining, ErrIncluded)
	case held&p.Actions == 0:
		return remaining, fmt.Errorf("%s has no permission %s of its own: %w", ref, p, ErrNotFound)
	}
	return remaining, nil
}

func heldActions(ctx context.Context, tx *sql.Tx, ownerID int64, p access.Permission) (access.Actions, error) {
	var held access.Actions
	err := tx.QueryRowContext(ctx,
		"SELECT actions FROM permissions WHERE subject_id = ? AND type = ? AND name = ?", ownerID, p.Type, p.Name).Scan(&held)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read permission %s: %w", p, err)
	}
	return held, nil
}

// Permissions lists the permissions that were given to the subject itself, by
// type and name. Page.After is "<type>:<name>" of the last one seen;
// Page.Prefix is not used.
func (s *Store) Permissions(ctx context.Context, ref subject.Ref, page Page) ([]access.Permission, error) {
	owner, err := s.Subject(ctx, ref)
	if err != nil {
		return nil, err
	}
	afterType, afterName, _ := strings.Cut(page.After, ":")
	all, err := collect(ctx, s.reader, scanPermission, "SELECT type, name, actions FROM permissions WHERE subject_id = ? AND (type > ? OR (type = ? AND name > ?)) ORDER BY type, name LIMIT ?",
		owner.ID, afterType, afterType, afterName, page.Limit)
	if err != nil {
		return nil, fmt.Errorf("list permissions of %s: %w", ref, err)
	}
	return all, nil
}

func scanPermission(row scanner) (p access.Permission, err error) {
	return p, row.Scan(&p.Type, &p.Name, &p.Actions)
}

// Effective is a permission that a subject can use, and where it comes from:
// itself, one of its groups, [subject.Authenticated] or [subject.Anonymous].
type Effective struct {
	Via subject.Ref
	access.Permission
}

// The built-in ids follow from the first migration: 1 anonymous,
// 2 authenticated. A disabled group gives nothing. The few owners are joined
// to, because MySQL would look at every permission there is for IN (... UNION).
const effectiveQuery = `
SELECT s.kind, s.name, p.type, p.name, p.actions
FROM (
    SELECT CAST(? AS SIGNED) AS id UNION SELECT CAST(? AS SIGNED) UNION SELECT CAST(? AS SIGNED)
    UNION SELECT group_id FROM memberships WHERE member_id = ?) o
CROSS JOIN permissions p ON p.subject_id = o.id
CROSS JOIN subjects s ON s.id = o.id
WHERE NOT (s.kind = 'group' AND s.disabled = 1)
ORDER BY s.kind DESC, s.name, p.type, p.name`

// EffectivePermissions lists what a user or robot may use once it is logged
// in, what [subject.Anonymous] may, or what a group gives to its members.
func (s *Store) EffectivePermissions(ctx context.Context, ref subject.Ref) ([]Effective, error) {
	owner, err := s.Subject(ctx, ref)
	if err != nil {
		return nil, err
	}
	return s.EffectivePermissionsByID(ctx, owner.ID, ref)
}

// EffectivePermissionsByID is [Store.EffectivePermissions] for a subject whose
// id is known, which saves a query.
func (s *Store) EffectivePermissionsByID(ctx context.Context, id int64, ref subject.Ref) ([]Effective, error) {
	authenticated, anonymous := int64(authenticatedID), int64(anonymousID)
	switch {
	case ref == subject.Anonymous:
		authenticated = id
	case ref.Kind == subject.Group:
		authenticated, anonymous = id, id
	}
	all, err := answered(s, func() ([]Effective, error) {
		rows, err := s.effective.QueryContext(ctx, id, authenticated, anonymous, id)
		if err != nil {
			return nil, err
		}
		return scanAll(rows, func(row scanner) (e Effective, err error) {
			return e, row.Scan(&e.Via.Kind, &e.Via.Name, &e.Type, &e.Name, &e.Actions)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read effective permissions of %s: %w", ref, err)
	}
	return all, nil
}

// AnonymousPermissions lists what a request without credentials may use.
func (s *Store) AnonymousPermissions(ctx context.Context) ([]Effective, error) {
	return s.EffectivePermissionsByID(ctx, anonymousID, subject.Anonymous)
}
