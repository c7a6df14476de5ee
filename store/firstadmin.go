package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/subject"
)

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
