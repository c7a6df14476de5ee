package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// A session at the page is a [RefreshToken] of the kind [PageLogin]: it is listed and
// ended as docker logins are, and by the same.
const (
	// PageSessionLife is how long one lasts at most, and PageSessionIdle how long
	// without being used.
	PageSessionLife = 12 * time.Hour
	PageSessionIdle = time.Hour
)

// ProvePageSession notes that the password was given once more. [ErrStale] is
// returned when it was changed in the meantime, and [ErrNotFound] when the session is
// over.
func (s *Store) ProvePageSession(ctx context.Context, id string, ownerID int64, passwordHash string) error {
	return s.change(ctx, func(tx *sql.Tx) (affected, error) {
		if err := hasPasswordStill(ctx, tx, ownerID, passwordHash); err != nil {
			return nobody, err
		}
		now := timestamp(s.now())
		result, err := tx.ExecContext(ctx, "UPDATE refresh_tokens SET proved_at = ? WHERE id = ? AND kind = ? AND subject_id = ? AND expires_at > ?",
			now, id, string(PageLogin), ownerID, now)
		if err != nil {
			return nobody, fmt.Errorf("note that the password of a session was given: %w", err)
		}
		changed, err := result.RowsAffected()
		if err != nil {
			return nobody, fmt.Errorf("note that the password of a session was given: %w", err)
		}
		if changed == 0 {
			return nobody, fmt.Errorf("session %q: %w", id, ErrNotFound)
		}
		return affected(ownerID), nil // its proof is in memory
	})
}

// EndPageSession ends a session at the page, if it is not over yet. Nothing was made
// with it.
func (s *Store) EndPageSession(ctx context.Context, id string, ownerID int64) error {
	return s.change(ctx, func(tx *sql.Tx) (affected, error) {
		result, err := tx.ExecContext(ctx, "DELETE FROM refresh_tokens WHERE id = ? AND kind = ? AND subject_id = ?", id, string(PageLogin), ownerID)
		if err != nil {
			return nobody, fmt.Errorf("end the session %q: %w", id, err)
		}
		if ended, err := result.RowsAffected(); err != nil || ended == 0 {
			return nobody, err
		}
		return affected(ownerID), nil
	})
}
