package store

import (
	"cmp"
	"context"
	"fmt"
)

// Marks tell cheaply whether something changed, on whatever node: as long as a
// mark is the same, so is what it stands for.
type Marks struct {
	// Revision stands for subjects, memberships, permissions and the secrets
	// of tokens. A new token leaves it as it is: nothing was known of it.
	Revision int64
	// Nonce is another one in each revision, at random: it tells a revision from
	// one of the same number in another history of the database.
	Nonce int64
	// Failures stands for the wrong passwords: it changes with each that is
	// recorded, not when they are forgotten.
	Failures int64
}

// marksQuery reads the database's clock as well.
func marksQuery(d *dialect) string {
	return `
SELECT number, nonce, (SELECT COALESCE(MAX(id), 0) FROM login_failures), ` + cmp.Or(d.clock, "0") + ` FROM revision WHERE id = 1`
}

// Marks reads the marks as they are now.
func (s *Store) Marks(ctx context.Context) (Marks, error) {
	var m Marks
	var shown int64
	began := s.clock.this()
	if err := s.marks.QueryRowContext(ctx).Scan(&m.Revision, &m.Nonce, &m.Failures, &shown); err != nil {
		return Marks{}, fmt.Errorf("read revision: %w", err)
	}
	s.clock.read(began, fromTimestamp(shown))
	return m, nil
}

// Revision is the number that every change of rights increments.
func (s *Store) Revision(ctx context.Context) (int64, error) {
	m, err := s.Marks(ctx)
	return m.Revision, err
}
