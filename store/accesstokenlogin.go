package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/dockit-registry/dockit/access"
)

// AccessTokenLogin is what authenticating by an access token needs to
// know. The PasswordHash of its Login is empty.
type AccessTokenLogin struct {
	Login
	Hash, PreviousHash []byte
	PreviousUntil      time.Time
	ExpiresAt          time.Time
	Scopes             []access.Permission
	Networks           []netip.Prefix
	// Session is set for the access token of a session, which has no other secret
	// and no networks.
	Session *SessionLogin
}

const accessLoginQuery = `
SELECT s.id, s.kind, s.name, s.admin, s.disabled,
       t.hash, t.previous_hash, t.previous_until, t.expires_at, t.scopes, t.networks
FROM access_tokens t JOIN subjects s ON s.id = t.subject_id WHERE t.id = ?`

// AccessTokenLogin finds an access token, also one of a session, and its owner, or
// returns [ErrNotFound].
func (s *Store) AccessTokenLogin(ctx context.Context, id string) (AccessTokenLogin, error) {
	return answered(s, func() (AccessTokenLogin, error) { return s.accessTokenLogin(ctx, id) })
}

func (s *Store) accessTokenLogin(ctx context.Context, id string) (AccessTokenLogin, error) {
	var (
		l                        AccessTokenLogin
		previousUntil, expiresAt int64
		scopes, networks         string
	)
	err := s.accessToken.QueryRowContext(ctx, id).Scan(&l.ID, &l.Ref.Kind, &l.Ref.Name, &l.Admin, &l.Disabled,
		&l.Hash, &l.PreviousHash, &previousUntil, &expiresAt, &scopes, &networks)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		l, _, err := s.sessionLogin(ctx, id, AccessSession)
		return l, err
	case err != nil:
		return AccessTokenLogin{}, fmt.Errorf("read access token %q: %w", id, err)
	}
	l.PreviousUntil, l.ExpiresAt = optionalTime(previousUntil), optionalTime(expiresAt)
	if l.Scopes, l.Networks, err = parseLimits(scopes, networks); err != nil {
		return AccessTokenLogin{}, fmt.Errorf("read access token %q: %w", id, err)
	}
	return l, nil
}
