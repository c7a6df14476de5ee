package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/subject"
)

// ErrTooMany is returned when a subject has as many tokens as it may have.
var ErrTooMany = errors.New("too many")

// ErrExpired is returned for an access token that is to be rotated and has
// expired: it no longer counts among those that its owner may have.
var ErrExpired = errors.New("expired")

// expiredTokensKept is how long an expired access token stays in listings.
const expiredTokensKept = 30 * 24 * time.Hour

// AccessToken is what is known of an access token. Its secret is not.
type AccessToken struct {
	// ID is the part of the token by which it is found. It is no secret.
	ID    string
	Owner subject.Ref
	// Name is unique among the tokens of the owner.
	Name string
	// Scopes narrow what the owner may do. Without any, the token may do
	// what the owner may.
	Scopes []access.Permission
	// Networks are where the token may be used from. Without any, that is
	// everywhere.
	Networks  []netip.Prefix
	CreatedAt time.Time
	// ExpiresAt is zero for a token that does not expire.
	ExpiresAt time.Time
	// RotatedAt is when the secret was replaced, zero when it never was.
	RotatedAt time.Time
	// PreviousUntil is how long the secret before that one works.
	PreviousUntil time.Time
	LastUse       Use
	// MadeBy is the id of the token that made it. It is empty for what was made
	// with a password.
	MadeBy string
}

// Use is when, from where and with what program a token was used. It is
// zero for one that never was.
type Use struct {
	At      time.Time
	Address string
	Client  string
}

// NewAccessToken is an access token to be made.
type NewAccessToken struct {
	ID    string
	Owner subject.Ref
	// Name is empty for one made from the day: token-2026-01-31.
	Name      string
	Hash      []byte
	Scopes    []access.Permission
	Networks  []netip.Prefix
	ExpiresAt time.Time
	// Shorten makes the token expire sooner where the credential of the actor
	// does, which is an [ErrWider] otherwise.
	Shorten bool
	// MaxLive is how many tokens the owner may have that are not expired,
	// this one included. Zero is any number.
	MaxLive int
}

const accessColumns = `t.id, s.kind, s.name, t.name, t.scopes, t.networks, t.created_at, t.expires_at, t.rotated_at, t.previous_until,
t.last_used_at, t.last_used_address, t.last_used_client, t.made_by`

func scanAccessToken(row scanner) (AccessToken, error) {
	var (
		t                                                  AccessToken
		scopes, networks                                   string
		createdAt, expiresAt, rotatedAt, previous, lastUse int64
	)
	err := row.Scan(&t.ID, &t.Owner.Kind, &t.Owner.Name, &t.Name, &scopes, &networks, &createdAt, &expiresAt, &rotatedAt, &previous,
		&lastUse, &t.LastUse.Address, &t.LastUse.Client, &t.MadeBy)
	if err != nil {
		return AccessToken{}, err
	}
	t.CreatedAt, t.ExpiresAt, t.RotatedAt = fromTimestamp(createdAt), optionalTime(expiresAt), optionalTime(rotatedAt)
	t.PreviousUntil, t.LastUse.At = optionalTime(previous), optionalTime(lastUse)
	t.Scopes, t.Networks, err = parseLimits(scopes, networks)
	return t, err
}

// CreateAccessToken makes an access token. Errors: [ErrNotFound] without its
// owner, [ErrKind] for a group, [ErrBuiltIn], [ErrExists] when the owner has a
// token of that name that is not expired, [ErrTooMany]; [ErrWider] and
// [ErrCredentialEnded] because of the credential of the actor.
func (s *Store) CreateAccessToken(ctx context.Context, n NewAccessToken) (AccessToken, error) {
	switch {
	case n.Owner.Kind == subject.Group:
		return AccessToken{}, fmt.Errorf("%s: only users and robots have access tokens: %w", n.Owner, ErrKind)
	case n.Owner.BuiltIn():
		return AccessToken{}, fmt.Errorf("%s takes permissions only: %w", n.Owner, ErrBuiltIn)
	}
	var created AccessToken
	err := s.write(ctx, func(tx *sql.Tx) error {
		owner, err := readSubject(ctx, tx, n.Owner)
		if err != nil {
			return err
		}
		maker, err := s.credentialNow(ctx, tx)
		if err != nil {
			return err
		}
		asked := Limits{n.Networks, n.ExpiresAt}
		if n.Shorten && !maker.coverTime(asked.ExpiresAt) {
			asked.ExpiresAt = maker.ExpiresAt
		}
		limits, err := maker.limit(asked)
		if err != nil {
			return fmt.Errorf("make an access token of %s: %w", n.Owner, err)
		}
		if err := s.makeRoomForAccessToken(ctx, tx, owner, n); err != nil {
			return err
		}
		name := n.Name
		if name == "" {
			if name, err = s.freeTokenName(ctx, tx, owner); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx,
			"INSERT INTO access_tokens (id, subject_id, name, hash, scopes, networks, created_at, expires_at, made_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			n.ID, owner.ID, name, n.Hash, joined(n.Scopes), joined(limits.Networks), timestamp(s.now()), optionalTimestamp(limits.ExpiresAt), maker.ID)
		if s.dialect.Duplicate(err) {
			return fmt.Errorf("%s has an access token called %q: %w", n.Owner, name, ErrExists)
		}
		if err != nil {
			return fmt.Errorf("create access token %q of %s: %w", name, n.Owner, err)
		}
		if created, err = readAccessToken(ctx, tx, n.ID); err != nil {
			return err
		}
		return s.record(ctx, tx, audit.CreateToken, created.Owner, nil, auditedAccessToken(created))
	})
	return created, err
}

// freeTokenName is a name that no token of the owner has: of the day, and with a
// number from the second one of that day on.
func (s *Store) freeTokenName(ctx context.Context, tx *sql.Tx, owner Subject) (string, error) {
	const del = "\x7f" // after every name with the prefix
	day := "token-" + s.now().UTC().Format(time.DateOnly)
	taken, err := collect(ctx, tx, scanID, "SELECT name FROM access_tokens WHERE subject_id = ? AND name >= ? AND name < ?", owner.ID, day, day+del)
	if err != nil {
		return "", fmt.Errorf("look for a name for an access token of %s: %w", owner.Ref, err)
	}
	name := day
	for n := 2; slices.Contains(taken, name); n++ {
		name = fmt.Sprintf("%s-%d", day, n)
	}
	return name, nil
}

// makeRoomForAccessToken takes expired tokens away and counts the others.
func (s *Store) makeRoomForAccessToken(ctx context.Context, tx *sql.Tx, owner Subject, n NewAccessToken) error {
	now := s.now()
	if s.MayForget() {
		if _, err := tx.ExecContext(ctx, "DELETE FROM access_tokens WHERE subject_id = ? AND expires_at <> 0 AND expires_at <= ?",
			owner.ID, timestamp(now.Add(-expiredTokensKept))); err != nil {
			return fmt.Errorf("remove expired access tokens of %s: %w", n.Owner, err)
		}
	}
	// The name is asked for: who has a clock in doubt need not wait for it.
	if _, err := tx.ExecContext(ctx, "DELETE FROM access_tokens WHERE subject_id = ? AND name = ? AND expires_at <> 0 AND expires_at <= ?",
		owner.ID, n.Name, timestamp(s.expiredAt())); err != nil {
		return fmt.Errorf("remove the expired access token %q of %s: %w", n.Name, n.Owner, err)
	}
	if n.MaxLive == 0 {
		return nil
	}
	var live int
	if err := tx.QueryRowContext(ctx,
		"SELECT COUNT(*) FROM access_tokens WHERE subject_id = ? AND (expires_at = 0 OR expires_at > ?)", owner.ID, timestamp(now)).Scan(&live); err != nil {
		return fmt.Errorf("count access tokens of %s: %w", n.Owner, err)
	}
	if live >= n.MaxLive {
		return fmt.Errorf("%s has %d access tokens, at most %d are allowed: rotate or revoke one: %w", n.Owner, live, n.MaxLive, ErrTooMany)
	}
	return nil
}

// AccessToken returns the access token with the id, or [ErrNotFound].
func (s *Store) AccessToken(ctx context.Context, id string) (AccessToken, error) {
	return readAccessToken(ctx, s.reader, id)
}

func readAccessToken(ctx context.Context, q queryer, id string) (AccessToken, error) {
	token, err := scanAccessToken(q.QueryRowContext(ctx,
		"SELECT "+accessColumns+" FROM access_tokens t JOIN subjects s ON s.id = t.subject_id WHERE t.id = ?", id))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return AccessToken{}, fmt.Errorf("access token %q: %w", id, ErrNotFound)
	case err != nil:
		return AccessToken{}, fmt.Errorf("read access token %q: %w", id, err)
	}
	return token, nil
}

// AccessTokens lists the access tokens of a user or robot by name, expired ones
// included. Page.After is the name of the last one seen.
func (s *Store) AccessTokens(ctx context.Context, owner subject.Ref, page Page) ([]AccessToken, error) {
	o, err := s.Subject(ctx, owner)
	if err != nil {
		return nil, err
	}
	const del = "\x7f" // after every name with the prefix
	tokens, err := collect(ctx, s.reader, scanAccessToken,
		"SELECT "+accessColumns+" FROM access_tokens t JOIN subjects s ON s.id = t.subject_id"+
			" WHERE t.subject_id = ? AND t.name > ? AND t.name >= ? AND t.name < ? ORDER BY t.name LIMIT ?",
		o.ID, page.After, page.Prefix, page.Prefix+del, page.Limit)
	if err != nil {
		return nil, fmt.Errorf("list access tokens of %s: %w", owner, err)
	}
	return tokens, nil
}

// AllAccessTokens lists the access tokens of everybody by id, expired ones included;
// if unused is set, only those that were never used. Page.After is the id of the last
// one seen; Page.Prefix is not used.
func (s *Store) AllAccessTokens(ctx context.Context, unused bool, page Page) ([]AccessToken, error) {
	condition := ""
	if unused {
		condition = " AND t.last_used_at = 0"
	}
	tokens, err := collect(ctx, s.reader, scanAccessToken,
		"SELECT "+accessColumns+" FROM access_tokens t JOIN subjects s ON s.id = t.subject_id WHERE t.id > ?"+condition+" ORDER BY t.id LIMIT ?",
		page.After, page.Limit)
	if err != nil {
		return nil, fmt.Errorf("list access tokens: %w", err)
	}
	return tokens, nil
}

// Rotation replaces the secret of an access token.
type Rotation struct {
	// Hash is that of the new secret.
	Hash []byte
	// PreviousUntil is how long the secret that is replaced keeps working, at
	// most as long as it would have. One that was replaced before that ends at
	// once.
	PreviousUntil time.Time
	// ExpiresAt is when the token expires from now on; nil leaves that as it
	// is, and the zero time is never.
	ExpiresAt *time.Time
}

// RotateAccessToken replaces the secret of an access token. Errors:
// [ErrNotFound], [ErrExpired]; [ErrWider] and [ErrCredentialEnded] because of
// the credential of the actor.
func (s *Store) RotateAccessToken(ctx context.Context, id string, r Rotation) (AccessToken, error) {
	var rotated AccessToken
	err := s.change(ctx, func(tx *sql.Tx) (affected, error) {
		current, err := readAccessToken(ctx, tx, id)
		if err != nil {
			return nobody, err
		}
		if !current.ExpiresAt.IsZero() && !s.now().Before(current.ExpiresAt) {
			return nobody, fmt.Errorf("access token %q: %w", id, ErrExpired)
		}
		owner, err := readSubject(ctx, tx, current.Owner)
		if err != nil {
			return nobody, err
		}
		next := current
		if r.ExpiresAt != nil {
			next.ExpiresAt = *r.ExpiresAt
		}
		if next.MadeBy, err = s.makerOfRotation(ctx, tx, next); err != nil {
			return nobody, fmt.Errorf("rotate access token %q: %w", id, err)
		}
		previousUntil := r.PreviousUntil
		if !previousUntil.IsZero() && !current.ExpiresAt.IsZero() && previousUntil.After(current.ExpiresAt) {
			previousUntil = current.ExpiresAt
		}
		_, err = tx.ExecContext(ctx, `
			UPDATE access_tokens SET previous_hash = hash, previous_until = ?, hash = ?, rotated_at = ?, expires_at = ?, made_by = ?
			WHERE id = ?`,
			optionalTimestamp(previousUntil), r.Hash, timestamp(s.now()), optionalTimestamp(next.ExpiresAt), next.MadeBy, id)
		if err != nil {
			return nobody, fmt.Errorf("rotate access token %q: %w", id, err)
		}
		if rotated, err = readAccessToken(ctx, tx, id); err != nil {
			return nobody, err
		}
		whom := affects(owner)
		if !(Limits{ExpiresAt: rotated.ExpiresAt}).coverTime(current.ExpiresAt) {
			made, err := s.shortenMadeWith(ctx, tx, id, rotated.ExpiresAt)
			if err != nil {
				return nobody, err
			}
			whom = made.affects(owner)
		}
		return whom, s.record(ctx, tx, audit.RotateToken, rotated.Owner, nil, auditedAccessToken(rotated))
	})
	return rotated, err
}

// auditedToken is what an audit entry says of a token.
type auditedToken struct {
	AccessToken   string              `json:"access_token,omitempty"`
	RefreshToken  string              `json:"refresh_token,omitempty"`
	Name          string              `json:"name,omitempty"`
	Service       string              `json:"service,omitempty"`
	Scopes        []access.Permission `json:"scopes,omitempty"`
	Networks      []netip.Prefix      `json:"networks,omitempty"`
	ExpiresAt     time.Time           `json:"expires_at,omitzero"`
	PreviousUntil time.Time           `json:"previous_until,omitzero"`
	MadeBy        string              `json:"made_by,omitempty"`
	// Ended and Kept are what a token that was revoked had made.
	Ended *auditedMade `json:"made_and_ended,omitempty"`
	Kept  *auditedMade `json:"made_and_kept,omitempty"`
}

func auditedAccessToken(t AccessToken) auditedToken {
	return auditedToken{
		AccessToken: t.ID, Name: t.Name, Scopes: t.Scopes, Networks: t.Networks, ExpiresAt: t.ExpiresAt, PreviousUntil: t.PreviousUntil,
		MadeBy: t.MadeBy,
	}
}

// parseLimits reads what joined wrote. An error must not be ignored: a token
// without its limits may do more than it should.
func parseLimits(scopes, networks string) ([]access.Permission, []netip.Prefix, error) {
	s, err := split(scopes, access.ParsePermission)
	if err != nil {
		return nil, nil, err
	}
	n, err := split(networks, netip.ParsePrefix)
	return s, n, err
}

// joined writes a list whose items hold no spaces.
func joined[T fmt.Stringer](list []T) string {
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = one.String()
	}
	return strings.Join(texts, " ")
}

// split reads a list that joined wrote.
func split[T any](text string, parse func(string) (T, error)) ([]T, error) {
	if text == "" {
		return nil, nil
	}
	var list []T
	for field := range strings.SplitSeq(text, " ") {
		one, err := parse(field)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}
