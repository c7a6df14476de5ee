package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/subject"
)

// Login is what authenticating needs to know of a subject.
type Login struct {
	ID           int64
	Ref          subject.Ref
	Admin        bool
	Disabled     bool
	PasswordHash string
	// PasswordMadeBy is the id of the token that set the password, empty when
	// none did, and PasswordLimits are what the password has of that.
	PasswordMadeBy string
	PasswordLimits Limits
}

// loginQuery reads the row of user:anonymous for a name that no subject has: reading
// none would be faster, and give away who exists.
const loginQuery = `
SELECT id, kind, name, admin, disabled, password_hash, password_made_by, password_networks, password_expires_at
FROM subjects WHERE id = COALESCE((SELECT id FROM subjects WHERE name = ? AND kind IN ('user', 'robot')), 1)`

// Login finds the user or robot of that name, or returns [ErrNotFound].
func (s *Store) Login(ctx context.Context, name string) (Login, error) {
	return answered(s, func() (Login, error) { return s.loginOf(ctx, name) })
}

func (s *Store) loginOf(ctx context.Context, name string) (Login, error) {
	var (
		l        Login
		networks string
		expires  int64
	)
	err := s.login.QueryRowContext(ctx, name).Scan(&l.ID, &l.Ref.Kind, &l.Ref.Name, &l.Admin, &l.Disabled, &l.PasswordHash,
		&l.PasswordMadeBy, &networks, &expires)
	if err == nil {
		l.PasswordLimits, err = parseLimitColumns(networks, expires)
	}
	switch {
	case err != nil:
		return Login{}, fmt.Errorf("read login %q: %w", name, err)
	case l.Ref.Name != name:
		return Login{}, fmt.Errorf("login %q: %w", name, ErrNotFound)
	}
	return l, nil
}

// ReplacePasswordHash stores another hash of the same password, and reports
// whether the hash was still the old one. It is no change of the subject: its
// version and its refresh tokens stay.
func (s *Store) ReplacePasswordHash(ctx context.Context, id int64, old, hash string) (bool, error) {
	var replaced int64
	err := s.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "UPDATE subjects SET password_hash = ? WHERE id = ? AND password_hash = ?", hash, id, old)
		if err != nil {
			return err
		}
		replaced, err = result.RowsAffected()
		return err
	})
	if err != nil {
		return false, fmt.Errorf("replace a password hash: %w", err)
	}
	return replaced > 0, nil
}

// PasswordHashSamples returns a stored hash of each kind and cost, and maybe
// several of one.
func (s *Store) PasswordHashSamples(ctx context.Context) ([]string, error) {
	samples, err := collect(ctx, s.reader, func(row scanner) (hash string, err error) { return hash, row.Scan(&hash) }, s.dialect.HashSamples)
	if err != nil {
		return nil, fmt.Errorf("read kinds of password hashes: %w", err)
	}
	return samples, nil
}

// CreateFirstAdmin makes a user who is an admin, together with permissions, or
// returns [ErrExists] when there is an admin already or the name is taken. Of
// several nodes that start at once, one creates the admin.
func (s *Store) CreateFirstAdmin(ctx context.Context, ref subject.Ref, passwordHash string, permissions []access.Permission) (Subject, error) {
	if ref.Kind != subject.User {
		return Subject{}, fmt.Errorf("%s: only users can be admins: %w", ref, ErrKind)
	}
	if err := subject.ValidateName(ref.Name); err != nil {
		return Subject{}, err
	}
	var created Subject
	err := s.change(ctx, func(tx *sql.Tx) (affected, error) {
		var has bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM subjects WHERE admin = 1)").Scan(&has); err != nil {
			return nobody, fmt.Errorf("look for an admin: %w", err)
		}
		if has {
			return nobody, fmt.Errorf("create %s as the first admin: there is an admin: %w", ref, ErrExists)
		}
		var err error
		if created, err = s.insertSubject(ctx, tx, NewSubject{Ref: ref, Admin: true, PasswordHash: passwordHash}); err != nil {
			return nobody, err
		}
		now := timestamp(s.now())
		for _, p := range permissions {
			if _, err := tx.ExecContext(ctx,
				"INSERT INTO permissions (subject_id, type, name, actions, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
				created.ID, p.Type, p.Name, p.Actions, now, now); err != nil {
				return nobody, fmt.Errorf("grant %s to %s: %w", p, ref, err)
			}
		}
		after := stateOf(created)
		after.Permissions = permissions
		return affects(created), s.record(ctx, tx, audit.Create, ref, nil, after)
	})
	return created, err
}
