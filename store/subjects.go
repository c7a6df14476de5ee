package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/subject"
)

// Ids of the built-in subjects, fixed by the first migration.
const (
	anonymousID     = 1
	authenticatedID = 2
)

// Subject is a user, a robot or a group.
type Subject struct {
	ID  int64
	Ref subject.Ref
	// Admin opens the admin API. Only users have it.
	Admin bool
	// Disabled subjects cannot log in; a disabled group gives its members
	// nothing.
	Disabled bool
	// HasPassword is set when there is a password; which is never shown.
	HasPassword bool
	// PasswordMadeBy is the id of the token that set the password, empty when
	// none did, and PasswordLimits are what the password has of that.
	PasswordMadeBy string
	PasswordLimits Limits
	CreatedAt      time.Time
	UpdatedAt      time.Time
	// Version grows with every change of the subject itself. It starts with
	// the time, so that a subject that is removed and made again has another.
	Version int64
}

// NewSubject is a subject to be made.
type NewSubject struct {
	Ref      subject.Ref
	Admin    bool
	Disabled bool
	// PasswordHash is empty for a subject without a password.
	PasswordHash string
}

// SubjectChange says what to change; nil leaves a property as it is.
type SubjectChange struct {
	Admin        *bool
	Disabled     *bool
	PasswordHash *string
}

// Precondition is the version that a subject must still have for a change to
// be made. Zero means any.
type Precondition int64

const subjectColumns = `s.id, s.kind, s.name, s.admin, s.disabled, s.password_hash <> '', s.created_at, s.updated_at, s.version,
s.password_made_by, s.password_networks, s.password_expires_at`

func scanSubject(row scanner) (Subject, error) {
	var s Subject
	var (
		created, updated, expires int64
		networks                  string
	)
	err := row.Scan(&s.ID, &s.Ref.Kind, &s.Ref.Name, &s.Admin, &s.Disabled, &s.HasPassword, &created, &updated, &s.Version,
		&s.PasswordMadeBy, &networks, &expires)
	if err != nil {
		return Subject{}, err
	}
	s.CreatedAt, s.UpdatedAt = fromTimestamp(created), fromTimestamp(updated)
	s.PasswordLimits, err = parseLimitColumns(networks, expires)
	return s, err
}

// Subject returns one subject, or [ErrNotFound].
func (s *Store) Subject(ctx context.Context, ref subject.Ref) (Subject, error) {
	return readSubject(ctx, s.reader, ref)
}

func readSubject(ctx context.Context, q queryer, ref subject.Ref) (Subject, error) {
	found, err := scanSubject(q.QueryRowContext(ctx,
		"SELECT "+subjectColumns+" FROM subjects s WHERE s.name = ? AND s.kind = ?", ref.Name, ref.Kind))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Subject{}, fmt.Errorf("%s: %w", ref, ErrNotFound)
	case err != nil:
		return Subject{}, fmt.Errorf("read %s: %w", ref, err)
	}
	return found, nil
}

// Subjects lists the subjects of one kind by name.
func (s *Store) Subjects(ctx context.Context, kind subject.Kind, page Page) ([]Subject, error) {
	all, known, err := s.searchSubjects(ctx, kind, page)
	if !known {
		all, err = s.listSubjects(ctx, kind, page)
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.Plural(), err)
	}
	return all, nil
}

func (s *Store) listSubjects(ctx context.Context, kind subject.Kind, page Page) ([]Subject, error) {
	condition, args := page.condition()
	return collect(ctx, s.reader, scanSubject,
		"SELECT "+subjectColumns+" FROM subjects s WHERE s.kind = ? AND "+condition+" ORDER BY s.name LIMIT ?",
		append(append([]any{kind}, args...), page.Limit)...)
}

// CountSubjects counts the subjects of one kind on all pages together. [MaxCounted] of
// a narrowed listing are as many or more.
func (s *Store) CountSubjects(ctx context.Context, kind subject.Kind, page Page) (int, error) {
	count, known, err := s.countFound(ctx, kind, page)
	if !known {
		count, err = s.countSubjects(ctx, kind, page)
	}
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", kind.Plural(), err)
	}
	return count, nil
}

func (s *Store) countSubjects(ctx context.Context, kind subject.Kind, page Page) (count int, err error) {
	query, args := "SELECT COUNT(*) FROM subjects s WHERE s.kind = ?", []any{kind}
	if page.narrowed() {
		condition, narrowing := page.unpaged().condition()
		query = "SELECT COUNT(*) FROM (SELECT 1 FROM subjects s WHERE s.kind = ? AND " + condition + " LIMIT ?) few"
		args = append(append(args, narrowing...), MaxCounted)
	}
	err = s.reader.QueryRowContext(ctx, query, args...).Scan(&count)
	return count, err
}

// CreateSubject makes a subject, or returns [ErrExists] when any subject has
// its name, or [ErrKind] when it asks for what its kind cannot have. Because of
// the credential of the actor: [ErrNeedsPassword] for an admin,
// [ErrCredentialEnded]; a password is limited by it.
func (s *Store) CreateSubject(ctx context.Context, n NewSubject) (Subject, error) {
	if err := subject.ValidateName(n.Ref.Name); err != nil {
		return Subject{}, err
	}
	if err := checkKind(n.Ref, n.Admin, n.PasswordHash != ""); err != nil {
		return Subject{}, err
	}
	if n.Admin {
		if err := requirePassword(ctx, "make "+n.Ref.String()+" an admin"); err != nil {
			return Subject{}, err
		}
	}
	var created Subject
	err := s.change(ctx, func(tx *sql.Tx) (_ affected, err error) {
		if created, err = s.insertSubject(ctx, tx, n); err != nil {
			return nobody, err
		}
		return affects(created), s.record(ctx, tx, audit.Create, n.Ref, nil, stateOf(created))
	})
	return created, err
}

const insertSubject = `
INSERT INTO subjects (kind, name, admin, disabled, password_hash, version, created_at, updated_at,
                      password_made_by, password_networks, password_expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func (s *Store) insertSubject(ctx context.Context, tx *sql.Tx, n NewSubject) (Subject, error) {
	var maker Credential
	if n.PasswordHash != "" {
		var err error
		if maker, err = s.credentialNow(ctx, tx); err != nil {
			return Subject{}, err
		}
	}
	now := timestamp(s.now())
	_, err := tx.ExecContext(ctx, insertSubject,
		n.Ref.Kind, n.Ref.Name, n.Admin, n.Disabled, n.PasswordHash, now, now, now, maker.ID, joined(maker.Networks), optionalTimestamp(maker.ExpiresAt))
	if s.dialect.Duplicate(err) {
		return Subject{}, fmt.Errorf("create %s: %w", n.Ref, ErrExists)
	}
	if err != nil {
		return Subject{}, fmt.Errorf("create %s: %w", n.Ref, err)
	}
	return readSubject(ctx, tx, n.Ref)
}

func checkKind(ref subject.Ref, admin, password bool) error {
	if ref.Kind == subject.User {
		return nil
	}
	if admin {
		return fmt.Errorf("%s: only users can be admins: %w", ref, ErrKind)
	}
	if password {
		return fmt.Errorf("%s: only users have passwords: %w", ref, ErrKind)
	}
	return nil
}

// UpdateSubject changes a subject. Errors: [ErrNotFound], [ErrStale],
// [ErrBuiltIn], [ErrKind], [ErrLastAdmin]; [ErrNeedsPassword] because of the
// credential of the actor.
func (s *Store) UpdateSubject(ctx context.Context, ref subject.Ref, c SubjectChange, pre Precondition) (Subject, error) {
	if err := checkKind(ref, c.Admin != nil && *c.Admin, c.PasswordHash != nil); err != nil {
		return Subject{}, err
	}
	if ref.BuiltIn() {
		return Subject{}, fmt.Errorf("%s takes permissions only: %w", ref, ErrBuiltIn)
	}
	var updated Subject
	err := s.change(ctx, func(tx *sql.Tx) (affected, error) {
		current, err := readForChange(ctx, tx, ref, pre)
		if err != nil {
			return nobody, err
		}
		admin, disabled := current.Admin, current.Disabled
		if c.Admin != nil {
			admin = *c.Admin
		}
		if c.Disabled != nil {
			disabled = *c.Disabled
		}
		if err := s.refuseToken(ctx, tx, current, subjectAfter{admin: admin, disabled: disabled, password: c.PasswordHash != nil}); err != nil {
			return nobody, err
		}
		if !admin || disabled {
			if err := refuseLastAdmin(ctx, tx, current); err != nil {
				return nobody, err
			}
		}
		if _, err := tx.ExecContext(ctx,
			"UPDATE subjects SET admin = ?, disabled = ?, password_hash = COALESCE(?, password_hash), version = version + 1, updated_at = ? WHERE id = ?",
			admin, disabled, c.PasswordHash, timestamp(s.now()), current.ID); err != nil {
			return nobody, fmt.Errorf("update %s: %w", ref, err)
		}
		if c.PasswordHash != nil {
			if err := s.limitPassword(ctx, tx, current); err != nil {
				return nobody, err
			}
		}
		ended, err := s.endWith(ctx, tx, current, subjectAfter{disabled: disabled, password: c.PasswordHash != nil})
		if err != nil {
			return nobody, err
		}
		if updated, err = readSubject(ctx, tx, ref); err != nil {
			return nobody, err
		}
		action, before, after := audit.Update, stateOf(current), stateOf(updated)
		before.Ended = ended.audited()
		switch {
		case c.PasswordHash != nil:
			action, after.Password = audit.SetPassword, "changed"
		case updated.Admin == current.Admin && updated.Disabled == current.Disabled:
			return ended.affects(current), nil // nothing to record
		}
		return ended.affects(current), s.record(ctx, tx, action, ref, before, after)
	})
	return updated, err
}

// DeleteSubject is [Store.RemoveSubject] for who need not know what went with it.
func (s *Store) DeleteSubject(ctx context.Context, ref subject.Ref, pre Precondition) error {
	_, err := s.RemoveSubject(ctx, ref, pre)
	return err
}

// RemoveSubject removes a subject with its memberships, permissions and tokens,
// what those made, and the bindings of a robot, whose names it returns. Errors:
// [ErrNotFound], [ErrStale], [ErrBuiltIn], [ErrLastAdmin]; [ErrNeedsPassword]
// because of the credential of the actor.
func (s *Store) RemoveSubject(ctx context.Context, ref subject.Ref, pre Precondition) (bindings []string, err error) {
	if ref.BuiltIn() {
		return nil, fmt.Errorf("%s cannot be removed: %w", ref, ErrBuiltIn)
	}
	err = s.change(ctx, func(tx *sql.Tx) (affected, error) {
		current, err := readForChange(ctx, tx, ref, pre)
		if err != nil {
			return nobody, err
		}
		if err := refuseLastAdmin(ctx, tx, current); err != nil {
			return nobody, err
		}
		if err := s.refuseToken(ctx, tx, current, subjectAfter{removed: true}); err != nil {
			return nobody, err
		}
		before, err := removedState(ctx, tx, current)
		if err != nil {
			return nobody, err
		}
		ended, err := s.endMadeBy(ctx, tx, current)
		if err != nil {
			return nobody, err
		}
		before.Ended = ended.audited()
		if bindings, err = bindingNames(ctx, tx, "subject_id", current.ID); err != nil {
			return nobody, err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM subjects WHERE id = ?", current.ID); err != nil {
			return nobody, fmt.Errorf("delete %s: %w", ref, err)
		}
		whom := ended.affects(current)
		if len(bindings) > 0 {
			whom = everybody // one change says one name
		}
		return whom, s.record(ctx, tx, audit.Remove, ref, before, nil)
	})
	return bindings, err
}

func readForChange(ctx context.Context, tx *sql.Tx, ref subject.Ref, pre Precondition) (Subject, error) {
	current, err := readSubject(ctx, tx, ref)
	if err != nil {
		return Subject{}, err
	}
	if pre != 0 && int64(pre) != current.Version {
		return Subject{}, fmt.Errorf("%s is at version %d, not %d: %w", ref, current.Version, pre, ErrStale)
	}
	return current, nil
}

// refuseLastAdmin keeps a Dockit from losing its only way in.
func refuseLastAdmin(ctx context.Context, tx *sql.Tx, current Subject) error {
	if !current.Admin || current.Disabled {
		return nil
	}
	var another bool
	if err := tx.QueryRowContext(ctx,
		"SELECT EXISTS (SELECT 1 FROM subjects WHERE admin = 1 AND disabled = 0 AND id <> ?)", current.ID).Scan(&another); err != nil {
		return fmt.Errorf("look for another admin: %w", err)
	}
	if !another {
		return fmt.Errorf("%s: %w", current.Ref, ErrLastAdmin)
	}
	return nil
}

// HasAdmin reports whether there is any admin, enabled or not.
func (s *Store) HasAdmin(ctx context.Context) (bool, error) {
	var has bool
	if err := s.reader.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM subjects WHERE admin = 1)").Scan(&has); err != nil {
		return false, fmt.Errorf("look for an admin: %w", err)
	}
	return has, nil
}
