package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/subject"
)

// Made is a credential that a token made: an access token, or the password of
// a user, which has neither id nor name.
type Made struct {
	ID    string      `json:"access_token,omitempty"`
	Name  string      `json:"name,omitempty"`
	Owner subject.Ref `json:"owner"`

	ownerID int64
}

// MadeWith is what tokens made, and what came of that in turn. It is the zero
// MadeWith when they made nothing.
type MadeWith struct {
	credentials []Made
}

// Count is how many credentials there are.
func (m MadeWith) Count() int { return len(m.credentials) }

// List is the first thousand of them.
func (m MadeWith) List() []Made { return m.credentials[:min(len(m.credentials), maxAuditList)] }

// audited is what an audit entry says of it.
func (m MadeWith) audited() *auditedMade {
	if m.Count() == 0 {
		return nil
	}
	return &auditedMade{m.Count(), m.List()}
}

type auditedMade struct {
	Count       int    `json:"count"`
	Credentials []Made `json:"credentials"`
}

// affects is whom it concerns when this ends beside something of a subject.
func (m MadeWith) affects(owner Subject) affected {
	if slices.ContainsFunc(m.credentials, func(one Made) bool { return one.ownerID != owner.ID }) {
		return everybody
	}
	return affects(owner)
}

// madeBatch is how many ids one query is given.
const madeBatch = 500

// inBatches calls f with the ids, some at a time, and the SQL that lists them.
func inBatches[T any](ids []T, f func(in string, args []any) error) error {
	for batch := range slices.Chunk(ids, madeBatch) {
		args := make([]any, len(batch))
		for i, id := range batch {
			args[i] = id
		}
		if err := f("(?"+strings.Repeat(", ?", len(batch)-1)+")", args); err != nil {
			return err
		}
	}
	return nil
}

// The indexes of SQLite hold what has a maker only, and are used where a query
// says that it asks for no other.
//
//nolint:gosec // they name columns, and hold no credentials
const (
	madeTokensQuery = `
SELECT t.id, t.name, s.kind, s.name, s.id FROM access_tokens t JOIN subjects s ON s.id = t.subject_id
WHERE t.made_by <> '' AND t.made_by IN `
	madePasswordsQuery = `
SELECT '', '', kind, name, id FROM subjects WHERE password_hash <> '' AND password_made_by <> '' AND password_made_by IN `
)

// madeWith finds everything that tokens made, and what that made in turn. Some of
// the tokens may be among it.
func madeWith(ctx context.Context, tx *sql.Tx, makers []string) (MadeWith, error) {
	var found MadeWith
	queued, listed := make(map[string]bool, len(makers)), map[string]bool{}
	for _, id := range makers {
		queued[id] = true
	}
	for len(makers) > 0 {
		var next []string
		queue := func(id string) {
			if !queued[id] {
				queued[id], next = true, append(next, id)
			}
		}
		err := inBatches(makers, func(in string, args []any) error {
			tokens, err := collect(ctx, tx, scanMade, madeTokensQuery+in+" ORDER BY t.id", args...)
			if err != nil {
				return err
			}
			for _, token := range tokens {
				if !listed[token.ID] {
					listed[token.ID], found.credentials = true, append(found.credentials, token)
				}
				queue(token.ID)
			}
			passwords, err := collect(ctx, tx, scanMade, madePasswordsQuery+in+" ORDER BY id", args...)
			if err != nil {
				return err
			}
			found.credentials = append(found.credentials, passwords...)
			for _, password := range passwords {
				// What the password made names the same token; its docker
				// logins do not.
				logins, err := refreshTokenIDs(ctx, tx, password.ownerID)
				if err != nil {
					return err
				}
				for _, id := range logins {
					queue(id)
				}
			}
			return nil
		})
		if err != nil {
			return MadeWith{}, fmt.Errorf("look for what tokens made: %w", err)
		}
		makers = next
	}
	return found, nil
}

func scanMade(row scanner) (m Made, err error) {
	return m, row.Scan(&m.ID, &m.Name, &m.Owner.Kind, &m.Owner.Name, &m.ownerID)
}

func refreshTokenIDs(ctx context.Context, tx *sql.Tx, ownerID int64) ([]string, error) {
	return collect(ctx, tx, scanID, "SELECT id FROM refresh_tokens WHERE subject_id = ?", ownerID)
}

func scanID(row scanner) (id string, err error) { return id, row.Scan(&id) }

// tokenIDs are those of everything by which a subject can make something.
func tokenIDs(ctx context.Context, tx *sql.Tx, owner Subject) ([]string, error) {
	ids, err := collect(ctx, tx, scanID,
		"SELECT id FROM access_tokens WHERE subject_id = ? UNION ALL SELECT id FROM refresh_tokens WHERE subject_id = ?", owner.ID, owner.ID)
	if err != nil {
		return nil, fmt.Errorf("list tokens of %s: %w", owner.Ref, err)
	}
	return ids, nil
}

// endMadeBy ends everything that the tokens of a subject made. It is part of
// every change that takes those away.
func (s *Store) endMadeBy(ctx context.Context, tx *sql.Tx, owner Subject) (MadeWith, error) {
	ids, err := tokenIDs(ctx, tx, owner)
	if err != nil {
		return MadeWith{}, err
	}
	return s.endMadeWith(ctx, tx, ids)
}

// endMadeWith ends everything that tokens made, and what that made in turn. The
// tokens themselves stay.
func (s *Store) endMadeWith(ctx context.Context, tx *sql.Tx, makers []string) (MadeWith, error) {
	found, err := madeWith(ctx, tx, makers)
	if err != nil {
		return MadeWith{}, err
	}
	var tokens []string
	var users []int64
	for _, one := range found.credentials {
		if one.ID != "" {
			tokens = append(tokens, one.ID)
		} else {
			users = append(users, one.ownerID)
		}
	}
	err = inBatches(tokens, func(in string, args []any) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM access_tokens WHERE id IN "+in, args...) //nolint:gosec // in holds question marks only
		return err
	})
	if err == nil {
		err = inBatches(users, func(in string, args []any) error {
			if _, err := tx.ExecContext(ctx, "DELETE FROM refresh_tokens WHERE subject_id IN "+in, args...); err != nil { //nolint:gosec // in holds question marks only
				return err
			}
			//nolint:gosec // in holds question marks only
			_, err := tx.ExecContext(ctx, `
				UPDATE subjects SET password_hash = '', password_made_by = '', password_networks = '', password_expires_at = 0,
					version = version + 1, updated_at = ? WHERE id IN `+in, append([]any{timestamp(s.now())}, args...)...)
			return err
		})
	}
	if err != nil {
		return MadeWith{}, fmt.Errorf("end what tokens made: %w", err)
	}
	return found, nil
}

// keepMadeWith lets what a token made go on without it. It ends with what made
// the token, if that was a token, too.
func keepMadeWith(ctx context.Context, tx *sql.Tx, maker, makersMaker string) (MadeWith, error) {
	kept, err := madeWith(ctx, tx, []string{maker})
	if err != nil || makersMaker == "" {
		return kept, err
	}
	for _, query := range []string{
		"UPDATE access_tokens SET made_by = ? WHERE made_by <> '' AND made_by = ?",
		"UPDATE subjects SET password_made_by = ? WHERE password_made_by <> '' AND password_made_by = ?",
	} {
		if _, err := tx.ExecContext(ctx, query, makersMaker, maker); err != nil {
			return MadeWith{}, fmt.Errorf("keep what the token %q made: %w", maker, err)
		}
	}
	return kept, nil
}

// shortenMadeWith has everything that a token made expire no later than it.
func (s *Store) shortenMadeWith(ctx context.Context, tx *sql.Tx, maker string, expiresAt time.Time) (MadeWith, error) {
	found, err := madeWith(ctx, tx, []string{maker})
	if err != nil {
		return MadeWith{}, err
	}
	at := timestamp(expiresAt)
	for _, one := range found.credentials {
		queries, id := []string{"UPDATE access_tokens SET expires_at = ? WHERE (expires_at = 0 OR expires_at > ?) AND id = ?"}, any(one.ID)
		if one.ID == "" {
			queries, id = []string{
				"UPDATE subjects SET password_expires_at = ? WHERE (password_expires_at = 0 OR password_expires_at > ?) AND id = ?",
				"UPDATE refresh_tokens SET expires_at = ? WHERE expires_at > ? AND subject_id = ?", // the logins by that password
			}, any(one.ownerID)
		}
		for _, query := range queries {
			if _, err := tx.ExecContext(ctx, query, at, at, id); err != nil {
				return MadeWith{}, fmt.Errorf("shorten what the token %q made: %w", maker, err)
			}
		}
	}
	return found, nil
}

// makerOfRotation is what made a token once it has another secret, or an
// [ErrWider] when the actor's credential must not get such a secret.
func (s *Store) makerOfRotation(ctx context.Context, tx *sql.Tx, next AccessToken) (string, error) {
	c, err := s.credentialNow(ctx, tx)
	if err != nil || c.ID == "" {
		return next.MadeBy, err
	}
	if err := c.refuseWider(Limits{next.Networks, next.ExpiresAt}); err != nil {
		return "", err
	}
	if !c.Password && c.ID == next.ID {
		return next.MadeBy, nil
	}
	above, err := makersOf(ctx, tx, next.ID)
	if err != nil {
		return "", err
	}
	aboveCredential, err := makersOf(ctx, tx, c.ID)
	switch {
	case err != nil:
		return "", err
	case slices.Contains(above, c.ID):
		return next.MadeBy, nil // it ends with the credential already
	case c.ID == next.ID, slices.Contains(aboveCredential, next.ID):
		return "", fmt.Errorf("%w: it made %s: log in with it, or with a password", ErrWider, c.name())
	case next.MadeBy != "":
		return "", fmt.Errorf("%w: it was made by the token %s, with which it ends: log in with that, or with a password", ErrWider, next.MadeBy)
	default:
		return c.ID, nil
	}
}

// makersOf are what made a token, what made that, and so on.
func makersOf(ctx context.Context, tx *sql.Tx, id string) ([]string, error) {
	var makers []string
	for {
		var maker string
		err := tx.QueryRowContext(ctx, `
			SELECT made_by FROM access_tokens WHERE id = ?
			UNION ALL
			SELECT s.password_made_by FROM refresh_tokens t JOIN subjects s ON s.id = t.subject_id WHERE t.id = ?`, id, id).Scan(&maker)
		switch {
		case errors.Is(err, sql.ErrNoRows), err == nil && (maker == "" || slices.Contains(makers, maker)):
			return makers, nil
		case err != nil:
			return nil, fmt.Errorf("look for what made the token %q: %w", id, err)
		}
		makers, id = append(makers, maker), maker
	}
}
