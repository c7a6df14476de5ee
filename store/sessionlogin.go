package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/federation"
)

// SessionLogin is what there is to know of a session beside what every token has.
type SessionLogin struct {
	BindingID int64
	CreatedAt time.Time
	// Service is the only one that it is good for.
	Service string
	// Claims are to be compared with the conditions of the binding.
	Claims federation.Claims
	Job    []string
	// Size is how much Claims and Job take, in bytes, about.
	Size int
}

const sessionLoginQuery = `
SELECT s.id, s.kind, s.name, s.disabled,
       n.hash, n.expires_at, n.scopes, n.last_used_at, n.binding_id, n.created_at, n.service, n.claims, n.job
FROM sessions n JOIN subjects s ON s.id = n.subject_id WHERE n.id = ? AND n.kind = ?`

// sessionLogin finds a session of a kind and its robot, or returns [ErrNotFound].
func (s *Store) sessionLogin(ctx context.Context, id string, kind SessionKind) (AccessTokenLogin, time.Time, error) {
	var (
		l                      AccessTokenLogin
		n                      SessionLogin
		scopes, claims, job    string
		expires, used, created int64
	)
	err := s.session.QueryRowContext(ctx, id, string(kind)).Scan(&l.ID, &l.Ref.Kind, &l.Ref.Name, &l.Disabled,
		&l.Hash, &expires, &scopes, &used, &n.BindingID, &created, &n.Service, &claims, &job)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return AccessTokenLogin{}, time.Time{}, fmt.Errorf("%s token %q: %w", kind, id, ErrNotFound)
	case err != nil:
		return AccessTokenLogin{}, time.Time{}, fmt.Errorf("read the session %q: %w", id, err)
	}
	kept, err := keptClaims(id, claims)
	if err == nil {
		err = json.Unmarshal([]byte(job), &n.Job)
	}
	if err == nil {
		l.Scopes, err = split(scopes, access.ParsePermission)
	}
	if err != nil {
		return AccessTokenLogin{}, time.Time{}, fmt.Errorf("read the session %q: %w", id, err)
	}
	l.ExpiresAt, n.CreatedAt, n.Claims = fromTimestamp(expires), fromTimestamp(created), federation.ClaimsOf(kept)
	const each = 3 // a text, and what holds it
	n.Size = each * (len(claims) + len(job))
	l.Session = &n
	return l, fromTimestamp(used), nil
}
