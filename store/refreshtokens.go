package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// maxRefreshTokens is how many refresh tokens a subject has at most, and
// MaxPageSessions how many browsers it is signed in with. One more ends the one that
// was not used for the longest time.
const (
	maxRefreshTokens = 100
	MaxPageSessions  = 20
)

// LoginKind is what a login of a user is for.
type LoginKind string

const (
	// RefreshLogin is a docker login, which keeps a refresh token.
	RefreshLogin LoginKind = "refresh"
	// PageLogin is a browser that is signed in at the page.
	PageLogin LoginKind = "page"
)

// most is how many of a kind one subject may have.
func (k LoginKind) most() int {
	if k == PageLogin {
		return MaxPageSessions
	}
	return maxRefreshTokens
}

// RefreshToken is what is known of a refresh token: of one docker login, or of one
// browser at the page. Its secret is not.
type RefreshToken struct {
	// ID is the part of the token by which it is found. It is no secret.
	ID    string
	Kind  LoginKind
	Owner subject.Ref
	// Service is the only one that the token is good for, empty at the page.
	Service string
	// Client and Address are who logged in, and from where.
	Client    string
	Address   string
	CreatedAt time.Time
	ExpiresAt time.Time
	// LastUse is the login itself as long as the token was not used.
	LastUse Use
}

// NewRefreshToken is a refresh token to be made.
type NewRefreshToken struct {
	ID string
	// Kind is [RefreshLogin] if it is empty.
	Kind    LoginKind
	OwnerID int64
	// PasswordHash is what the password that proved the owner was checked
	// against. When it is another one by now, there is no token.
	PasswordHash string
	Service      string
	Hash         []byte
	Client       string
	Address      string
	ExpiresAt    time.Time
}

// CreateRefreshToken makes a refresh token, or returns [ErrStale] when its owner
// was removed, was disabled or got another password.
func (s *Store) CreateRefreshToken(ctx context.Context, n NewRefreshToken) error {
	if n.Kind == "" {
		n.Kind = RefreshLogin
	}
	return s.change(ctx, func(tx *sql.Tx) (affected, error) {
		if err := hasPasswordStill(ctx, tx, n.OwnerID, n.PasswordHash); err != nil {
			return nobody, err
		}
		now := timestamp(s.now())
		if s.MayForget() {
			if _, err := tx.ExecContext(ctx, "DELETE FROM refresh_tokens WHERE expires_at <= ?", now); err != nil {
				return nobody, fmt.Errorf("remove expired refresh tokens: %w", err)
			}
		}
		whom, err := s.makeRoomForRefreshToken(ctx, tx, n.OwnerID, n.Kind)
		if err != nil {
			return nobody, err
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO refresh_tokens (id, kind, subject_id, service, hash, client, address, created_at, expires_at,
			                            last_used_at, last_used_address, last_used_client, proved_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			n.ID, string(n.Kind), n.OwnerID, n.Service, n.Hash, n.Client, n.Address, now, timestamp(n.ExpiresAt), now, n.Address, n.Client, now); err != nil {
			return nobody, fmt.Errorf("create refresh token: %w", err)
		}
		return whom, nil
	})
}

// hasPasswordStill returns [ErrStale] when a password that was right a moment ago is
// good for nothing any more.
func hasPasswordStill(ctx context.Context, tx *sql.Tx, ownerID int64, passwordHash string) error {
	var valid bool
	if err := tx.QueryRowContext(ctx,
		"SELECT EXISTS (SELECT 1 FROM subjects WHERE id = ? AND disabled = 0 AND password_hash = ?)", ownerID, passwordHash).Scan(&valid); err != nil {
		return fmt.Errorf("read the owner of a refresh token: %w", err)
	}
	if !valid {
		return fmt.Errorf("the owner of a refresh token: %w", ErrStale)
	}
	return nil
}

// makeRoomForRefreshToken ends the tokens that are too many of a kind, with what was
// made with them, and returns whom that concerns: a new token changes nothing for
// others.
func (s *Store) makeRoomForRefreshToken(ctx context.Context, tx *sql.Tx, ownerID int64, kind LoginKind) (affected, error) {
	// The newest ones that may stay beside the next.
	surplus, err := collect(ctx, tx, scanID,
		"SELECT id FROM refresh_tokens WHERE subject_id = ? AND kind = ? ORDER BY last_used_at DESC, id LIMIT 1000 OFFSET ?", ownerID, string(kind), kind.most()-1)
	if err != nil {
		return nobody, fmt.Errorf("look for unused refresh tokens: %w", err)
	}
	if len(surplus) == 0 {
		return nobody, nil
	}
	ended, err := s.endMadeWith(ctx, tx, surplus)
	if err != nil {
		return nobody, err
	}
	for _, id := range surplus {
		if _, err := tx.ExecContext(ctx, "DELETE FROM refresh_tokens WHERE id = ?", id); err != nil {
			return nobody, fmt.Errorf("remove refresh token %q: %w", id, err)
		}
	}
	return ended.affects(Subject{ID: ownerID, Ref: subject.Ref{Kind: subject.User}}), nil
}

const refreshColumns = `t.id, t.kind, s.kind, s.name, t.service, t.client, t.address, t.created_at, t.expires_at,
t.last_used_at, t.last_used_address, t.last_used_client`

func scanRefreshToken(row scanner) (RefreshToken, error) {
	var (
		t                             RefreshToken
		createdAt, expiresAt, lastUse int64
	)
	err := row.Scan(&t.ID, &t.Kind, &t.Owner.Kind, &t.Owner.Name, &t.Service, &t.Client, &t.Address, &createdAt, &expiresAt,
		&lastUse, &t.LastUse.Address, &t.LastUse.Client)
	t.CreatedAt, t.ExpiresAt, t.LastUse.At = fromTimestamp(createdAt), fromTimestamp(expiresAt), fromTimestamp(lastUse)
	return t, err
}

// RefreshTokens lists the refresh tokens of a subject, the last used first. Sessions
// at the page that were not used for too long are left out.
func (s *Store) RefreshTokens(ctx context.Context, owner subject.Ref) ([]RefreshToken, error) {
	o, err := s.Subject(ctx, owner)
	if err != nil {
		return nil, err
	}
	tokens, err := collect(ctx, s.reader, scanRefreshToken,
		"SELECT "+refreshColumns+" FROM refresh_tokens t JOIN subjects s ON s.id = t.subject_id"+
			" WHERE t.subject_id = ? AND t.expires_at > ? AND (t.kind <> ? OR t.last_used_at > ?) ORDER BY t.last_used_at DESC, t.id",
		o.ID, timestamp(s.now()), string(PageLogin), timestamp(s.now().Add(-PageSessionIdle)))
	if err != nil {
		return nil, fmt.Errorf("list refresh tokens of %s: %w", owner, err)
	}
	return tokens, nil
}

// RefreshToken returns the refresh token with the id, or [ErrNotFound].
func (s *Store) RefreshToken(ctx context.Context, id string) (RefreshToken, error) {
	return readRefreshToken(ctx, s.reader, id)
}

func readRefreshToken(ctx context.Context, q queryer, id string) (RefreshToken, error) {
	token, err := scanRefreshToken(q.QueryRowContext(ctx,
		"SELECT "+refreshColumns+" FROM refresh_tokens t JOIN subjects s ON s.id = t.subject_id WHERE t.id = ?", id))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return RefreshToken{}, fmt.Errorf("refresh token %q: %w", id, ErrNotFound)
	case err != nil:
		return RefreshToken{}, fmt.Errorf("read refresh token %q: %w", id, err)
	}
	return token, nil
}

// RefreshTokenLogin is what authenticating by a refresh token needs to
// know. The PasswordHash of its Login is empty.
type RefreshTokenLogin struct {
	Login
	// Kind is empty for the refresh token of a session.
	Kind      LoginKind
	Hash      []byte
	Service   string
	ExpiresAt time.Time
	// LastUsedAt may be behind by as long as uses are collected before they
	// are recorded.
	LastUsedAt time.Time
	// ProvedAt is when the password was given last, at the page.
	ProvedAt time.Time
	// Session is set for the refresh token of a session, and Scopes narrow that.
	Session *SessionLogin
	Scopes  []access.Permission
}

const refreshLoginQuery = `
SELECT s.id, s.kind, s.name, s.admin, s.disabled, s.password_made_by, s.password_networks, s.password_expires_at,
       t.kind, t.hash, t.service, t.expires_at, t.last_used_at, t.proved_at
FROM refresh_tokens t JOIN subjects s ON s.id = t.subject_id WHERE t.id = ?`

// RefreshTokenLogin finds a refresh token, also one of a session, and its owner, or
// returns [ErrNotFound].
func (s *Store) RefreshTokenLogin(ctx context.Context, id string) (RefreshTokenLogin, error) {
	return answered(s, func() (RefreshTokenLogin, error) { return s.refreshTokenLogin(ctx, id) })
}

func (s *Store) refreshTokenLogin(ctx context.Context, id string) (RefreshTokenLogin, error) {
	var (
		l                             RefreshTokenLogin
		networks                      string
		passwordExpires               int64
		expiresAt, lastUsed, provedAt int64
	)
	err := s.refreshToken.QueryRowContext(ctx, id).Scan(&l.ID, &l.Ref.Kind, &l.Ref.Name, &l.Admin, &l.Disabled,
		&l.PasswordMadeBy, &networks, &passwordExpires, &l.Kind, &l.Hash, &l.Service, &expiresAt, &lastUsed, &provedAt)
	if err == nil {
		l.PasswordLimits, err = parseLimitColumns(networks, passwordExpires)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		l, used, err := s.sessionLogin(ctx, id, RefreshSession)
		if err != nil {
			return RefreshTokenLogin{}, err
		}
		return RefreshTokenLogin{
			Login: l.Login, Hash: l.Hash, Service: l.Session.Service, ExpiresAt: l.ExpiresAt, LastUsedAt: used, Session: l.Session, Scopes: l.Scopes,
		}, nil
	case err != nil:
		return RefreshTokenLogin{}, fmt.Errorf("read refresh token %q: %w", id, err)
	}
	l.ExpiresAt, l.LastUsedAt, l.ProvedAt = fromTimestamp(expiresAt), fromTimestamp(lastUsed), fromTimestamp(provedAt)
	return l, nil
}
