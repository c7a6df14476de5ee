package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/dockit-registry/dockit/state"
)

// DefaultMaxPermissions is how many permissions one user, robot or group may
// have, unless [Store.SetMaxPermissions] says otherwise: every token of it reads
// all of them.
const DefaultMaxPermissions = 100_000

// SetMaxPermissions bounds the permissions of one user, robot or group from now
// on. Who has more keeps them, and gets no further ones. Zero is
// [DefaultMaxPermissions].
func (s *Store) SetMaxPermissions(most int) { s.maxPermissions.Store(int64(most)) }

func (s *Store) permissionsAllowed() int {
	if most := int(s.maxPermissions.Load()); most > 0 {
		return most
	}
	return DefaultMaxPermissions
}

// roomForPermission refuses one more permission for a subject that has as many
// as it may have. No other transaction adds one meanwhile.
func (s *Store) roomForPermission(ctx context.Context, tx *sql.Tx, owner Subject) error {
	most := s.permissionsAllowed()
	var count int
	if err := tx.QueryRowContext(ctx,
		"SELECT COUNT(*) FROM (SELECT 1 FROM permissions WHERE subject_id = ? LIMIT ?) few", owner.ID, most).Scan(&count); err != nil {
		return fmt.Errorf("count the permissions of %s: %w", owner.Ref, err)
	}
	if count < most {
		return nil
	}
	return fmt.Errorf("%w: %s has %d already, at most %d are allowed for one user, robot or group", state.ErrTooManyPermissions, owner.Ref, count, most)
}

// bounded adds the bounds of the store to what a document is applied with.
func (s *Store) bounded(o state.Options) state.Options {
	if o.MaxPermissions == 0 {
		o.MaxPermissions = s.permissionsAllowed()
	}
	return o
}
