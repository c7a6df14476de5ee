package store

import (
	"context"
	"fmt"

	"github.com/dockit-registry/dockit/subject"
)

// Login is what proving who somebody is needs to know of a subject.
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
	// Revision is the revision of the rights at the time of reading.
	Revision int64
}

// loginQuery reads the row of user:anonymous for a name that nobody has: reading
// none would be faster, and tell who exists.
const loginQuery = `
SELECT id, kind, name, admin, disabled, password_hash, password_made_by, password_networks, password_expires_at, (SELECT number FROM revision WHERE id = 1)
FROM subjects WHERE id = COALESCE((SELECT id FROM subjects WHERE name = ? AND kind IN ('user', 'robot')), 1)`

// Login finds the user or robot of that name, or returns [ErrNotFound].
func (s *Store) Login(ctx context.Context, name string) (Login, error) {
	var (
		l        Login
		networks string
		expires  int64
	)
	err := s.login.QueryRowContext(ctx, name).Scan(&l.ID, &l.Ref.Kind, &l.Ref.Name, &l.Admin, &l.Disabled, &l.PasswordHash,
		&l.PasswordMadeBy, &networks, &expires, &l.Revision)
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
