package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/subject"
)

// Binding says which tokens of an issuer stand for a robot, as it is kept.
type Binding struct {
	ID int64
	federation.Binding
	IssuerID, RobotID int64
	CreatedAt         time.Time
	UpdatedAt         time.Time
	// Version grows with every change, and starts with the time.
	Version int64
}

const (
	bindingColumns = `b.id, b.name, b.issuer_id, i.name, b.subject_id, s.kind, s.name, b.conditions, b.expose, b.scopes, b.session, b.allow_unprotected, b.disabled,
b.version, b.created_at, b.updated_at`
	bindingTables = "bindings b JOIN issuers i ON i.id = b.issuer_id JOIN subjects s ON s.id = b.subject_id"
)

func scanBinding(row scanner) (Binding, error) {
	var (
		b                         Binding
		conditions, expose        string
		scopes                    string
		session, created, updated int64
	)
	err := row.Scan(&b.ID, &b.Name, &b.IssuerID, &b.Issuer, &b.RobotID, &b.Robot.Kind, &b.Robot.Name, &conditions, &expose, &scopes, &session, &b.AllowUnprotected, &b.Disabled,
		&b.Version, &created, &updated)
	if err != nil {
		return Binding{}, err
	}
	if err := json.Unmarshal([]byte(conditions), &b.Claims); err != nil {
		return Binding{}, fmt.Errorf("conditions of the binding %s: %w", b.Name, err)
	}
	if expose != "" {
		if err := json.Unmarshal([]byte(expose), &b.Expose); err != nil {
			return Binding{}, fmt.Errorf("what the binding %s exposes: %w", b.Name, err)
		}
	}
	b.Session, b.CreatedAt, b.UpdatedAt = time.Duration(session)*time.Second, fromTimestamp(created), fromTimestamp(updated)
	b.Scopes, err = split(scopes, access.ParsePermission)
	return b, err
}

// Binding returns one binding, or [ErrNotFound].
func (s *Store) Binding(ctx context.Context, name string) (Binding, error) {
	return readBinding(ctx, s.reader, name)
}

func readBinding(ctx context.Context, q queryer, name string) (Binding, error) {
	found, err := scanBinding(q.QueryRowContext(ctx, "SELECT "+bindingColumns+" FROM "+bindingTables+" WHERE b.name = ?", name))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Binding{}, fmt.Errorf("binding %q: %w", name, ErrNotFound)
	case err != nil:
		return Binding{}, fmt.Errorf("read the binding %q: %w", name, err)
	}
	return found, nil
}

// BindingFilter keeps only the bindings of an issuer, or of a robot, by their
// names. Empty keeps all.
type BindingFilter struct{ Issuer, Robot string }

// Bindings lists bindings by name. Of the [Page], After, Limit and Prefix count.
func (s *Store) Bindings(ctx context.Context, filter BindingFilter, page Page) ([]Binding, error) {
	const del = "\x7f" // after every name with the prefix
	condition, args := "b.name > ? AND b.name >= ? AND b.name < ?", []any{page.After, page.Prefix, page.Prefix + del}
	if filter.Issuer != "" {
		condition, args = condition+" AND i.name = ?", append(args, filter.Issuer)
	}
	if filter.Robot != "" {
		condition, args = condition+" AND s.name = ?", append(args, filter.Robot)
	}
	all, err := collect(ctx, s.reader, scanBinding,
		"SELECT "+bindingColumns+" FROM "+bindingTables+" WHERE "+condition+" ORDER BY b.name LIMIT ?", append(args, page.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list bindings: %w", err)
	}
	return all, nil
}

func readBindings(ctx context.Context, q queryer) ([]Binding, error) {
	all, err := collect(ctx, q, scanBinding, "SELECT "+bindingColumns+" FROM "+bindingTables+" ORDER BY b.name")
	if err != nil {
		return nil, fmt.Errorf("read the bindings: %w", err)
	}
	return all, nil
}

// bindingNames are those of the bindings of an issuer or a robot, by the column
// that names it.
func bindingNames(ctx context.Context, tx *sql.Tx, column string, id int64) ([]string, error) {
	names, err := collect(ctx, tx, scanID, "SELECT name FROM bindings WHERE "+column+" = ? ORDER BY name", id)
	if err != nil {
		return nil, fmt.Errorf("list bindings: %w", err)
	}
	return names, nil
}

// CreateBinding makes a binding, and says what there is to know about it. Errors:
// [federation.ErrInvalidBinding] and its like, [federation.ErrNoOwner],
// [federation.ErrUnprotected], [ErrNotFound] without its issuer or robot,
// [ErrExists], [ErrTooMany]; [ErrNeedsPassword] because of the credential of the
// actor.
func (s *Store) CreateBinding(ctx context.Context, n federation.Binding) (Binding, []federation.Warning, error) {
	if err := n.Validate(); err != nil {
		return Binding{}, nil, err
	}
	if err := requirePasswordForTrust(ctx, "let tokens of the issuer "+n.Issuer+" stand for "+n.Robot.String()); err != nil {
		return Binding{}, nil, err
	}
	var created Binding
	var warnings []federation.Warning
	err := s.change(ctx, func(tx *sql.Tx) (affected, error) {
		issuer, err := readIssuer(ctx, tx, n.Issuer)
		if err != nil {
			return nobody, err
		}
		robot, err := readSubject(ctx, tx, n.Robot)
		if err != nil {
			return nobody, fmt.Errorf("%w: add the robot first", err)
		}
		if warnings, err = judge(ctx, tx, issuer.Issuer, n, robot.ID); err != nil {
			return nobody, err
		}
		if created, err = s.insertBinding(ctx, tx, n, issuer.ID, robot.ID); err != nil {
			return nobody, err
		}
		return federated, s.recordNamed(ctx, tx, audit.Create, audit.BindingName(n.Name), nil, bindingState(created.Binding))
	})
	return created, warnings, err
}

func (s *Store) insertBinding(ctx context.Context, tx *sql.Tx, n federation.Binding, issuerID, robotID int64) (Binding, error) {
	if err := roomFor(ctx, tx, "bindings", MaxBindings); err != nil {
		return Binding{}, fmt.Errorf("create the binding %s: %w", n.Name, err)
	}
	now := timestamp(s.now())
	_, err := tx.ExecContext(ctx, `
		INSERT INTO bindings (name, issuer_id, subject_id, conditions, expose, scopes, session, allow_unprotected, disabled, version, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append(append([]any{n.Name, issuerID, robotID}, bindingValues(n)...), now, now, now)...)
	switch {
	case s.dialect.Duplicate(err):
		return Binding{}, fmt.Errorf("a binding is called %s: %w", n.Name, ErrExists)
	case err != nil:
		return Binding{}, fmt.Errorf("create the binding %s: %w", n.Name, err)
	}
	return readBinding(ctx, tx, n.Name)
}

// bindingValues are those of the columns from conditions to disabled.
func bindingValues(b federation.Binding) []any {
	conditions := make([]string, len(b.Claims))
	for i, c := range b.Claims {
		conditions[i] = c.String()
	}
	return []any{listColumn(conditions), exposeColumn(b.Expose), joined(b.Scopes), int64(b.Session / time.Second), b.AllowUnprotected, b.Disabled}
}

// exposeColumn is empty for a binding that exposes nothing.
func exposeColumn(expose []federation.Exposure) string {
	if len(expose) == 0 {
		return ""
	}
	list := make([]string, len(expose))
	for i, e := range expose {
		list[i] = e.String()
	}
	return listColumn(list)
}

// updateBinding makes a binding what it is to be, and returns how many sessions end
// with that.
func (s *Store) updateBinding(ctx context.Context, tx *sql.Tx, current Binding, next federation.Binding, issuerID, robotID int64) (ended int64, err error) {
	_, err = tx.ExecContext(ctx, `
		UPDATE bindings SET issuer_id = ?, subject_id = ?, conditions = ?, expose = ?, scopes = ?, session = ?, allow_unprotected = ?, disabled = ?,
			version = version + 1, updated_at = ? WHERE id = ?`,
		append(append([]any{issuerID, robotID}, bindingValues(next)...), timestamp(s.now()), current.ID)...)
	if err != nil {
		return 0, fmt.Errorf("change the binding %s: %w", next.Name, err)
	}
	switch {
	case next.Disabled || issuerID != current.IssuerID || robotID != current.RobotID:
		return endSessionsOf(ctx, tx, sessionsOfBinding, current.ID)
	case !slices.Equal(next.Claims, current.Claims):
		return endSessionsBeside(ctx, tx, current.ID, next.Claims)
	default:
		return 0, nil
	}
}

// judge is [federation.CheckBinding] with what the robot may do now.
func judge(ctx context.Context, q queryer, issuer federation.Issuer, b federation.Binding, robotID int64) ([]federation.Warning, error) {
	permissions, err := collect(ctx, q, func(row scanner) (p access.Permission, err error) {
		var via subject.Ref
		return p, row.Scan(&via.Kind, &via.Name, &p.Type, &p.Name, &p.Actions)
	}, effectiveQuery, robotID, int64(authenticatedID), int64(anonymousID), robotID)
	if err != nil {
		return nil, fmt.Errorf("read effective permissions of %s: %w", b.Robot, err)
	}
	return federation.CheckBinding(issuer, b, permissions)
}

// SetBindingDisabled disables or enables a binding. To enable one is to take it
// anew. Errors: [ErrNotFound], [ErrStale]; those of [Store.CreateBinding] to enable
// one.
func (s *Store) SetBindingDisabled(ctx context.Context, name string, disabled bool, pre Precondition) (Binding, []federation.Warning, error) {
	var updated Binding
	var warnings []federation.Warning
	err := s.change(ctx, func(tx *sql.Tx) (affected, error) {
		current, err := readBinding(ctx, tx, name)
		if err != nil {
			return nobody, err
		}
		if err := checkVersion("the binding "+name, current.Version, pre); err != nil {
			return nobody, err
		}
		updated = current
		if current.Disabled == disabled {
			return nobody, nil
		}
		next := current.Binding
		next.Disabled = disabled
		if !disabled {
			if err := requirePasswordForTrust(ctx, "enable the binding "+name); err != nil {
				return nobody, err
			}
			issuer, err := readIssuer(ctx, tx, current.Issuer)
			if err != nil {
				return nobody, err
			}
			if warnings, err = judge(ctx, tx, issuer.Issuer, next, current.RobotID); err != nil {
				return nobody, err
			}
		}
		ended, err := s.updateBinding(ctx, tx, current, next, current.IssuerID, current.RobotID)
		if err != nil {
			return nobody, err
		}
		if updated, err = readBinding(ctx, tx, name); err != nil {
			return nobody, err
		}
		before := bindingState(current.Binding)
		before.EndedSessions = ended
		return trustChanged(ended), s.recordNamed(ctx, tx, audit.Update, audit.BindingName(name), before, bindingState(updated.Binding))
	})
	return updated, warnings, err
}

// DeleteBinding removes a binding. Errors: [ErrNotFound], [ErrStale].
func (s *Store) DeleteBinding(ctx context.Context, name string, pre Precondition) error {
	return s.change(ctx, func(tx *sql.Tx) (affected, error) {
		current, err := readBinding(ctx, tx, name)
		if err != nil {
			return nobody, err
		}
		if err := checkVersion("the binding "+name, current.Version, pre); err != nil {
			return nobody, err
		}
		before := bindingState(current.Binding)
		if before.EndedSessions, err = endSessionsOf(ctx, tx, sessionsOfBinding, current.ID); err != nil {
			return nobody, err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM bindings WHERE id = ?", current.ID); err != nil {
			return nobody, fmt.Errorf("delete the binding %s: %w", name, err)
		}
		return trustChanged(before.EndedSessions), s.recordNamed(ctx, tx, audit.Remove, audit.BindingName(name), before, nil)
	})
}
