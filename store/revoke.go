package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/subject"
)

// Revocation is what became of a token that was revoked, and of what it made.
type Revocation struct {
	// Ended went with it.
	Ended MadeWith
	// Kept goes on without it.
	Kept MadeWith
}

// affects is whom it concerns beside the owner of the token.
func (r Revocation) affects(owner Subject) affected { return r.Ended.affects(owner) }

// RevokeAccessToken ends an access token and, unless it is to be kept, what was
// made with it. Errors: [ErrNotFound]; [ErrNeedsPassword] for keeping it.
func (s *Store) RevokeAccessToken(ctx context.Context, id string, keepMade bool) (AccessToken, Revocation, error) {
	var (
		revoked AccessToken
		became  Revocation
	)
	err := s.change(ctx, func(tx *sql.Tx) (_ affected, err error) {
		if revoked, err = readAccessToken(ctx, tx, id); err != nil {
			return nobody, err
		}
		owner, err := readSubject(ctx, tx, revoked.Owner)
		if err != nil {
			return nobody, err
		}
		if became, err = s.detach(ctx, tx, id, revoked.MadeBy, keepMade); err != nil {
			return nobody, err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM access_tokens WHERE id = ?", id); err != nil {
			return nobody, fmt.Errorf("revoke access token %q: %w", id, err)
		}
		told := auditedAccessToken(revoked)
		told.Ended, told.Kept = became.Ended.audited(), became.Kept.audited()
		return became.affects(owner), s.record(ctx, tx, audit.RevokeToken, revoked.Owner, told, nil)
	})
	return revoked, became, err
}

// detach ends what a token made that is about to end, or lets it go on.
func (s *Store) detach(ctx context.Context, tx *sql.Tx, id, madeBy string, keepMade bool) (r Revocation, err error) {
	if !keepMade {
		r.Ended, err = s.endMadeWith(ctx, tx, []string{id})
		return r, err
	}
	if err := requirePassword(ctx, "it would let what the token "+id+" made outlive it"); err != nil {
		return r, err
	}
	r.Kept, err = keepMadeWith(ctx, tx, id, madeBy)
	return r, err
}

// RevokeRefreshToken ends a refresh token and, unless it is to be kept, what was
// made with it. Errors: [ErrNotFound]; [ErrNeedsPassword] for keeping it, and
// for the docker login of another subject.
func (s *Store) RevokeRefreshToken(ctx context.Context, id string, keepMade bool) (RefreshToken, Revocation, error) {
	var (
		revoked RefreshToken
		became  Revocation
	)
	err := s.change(ctx, func(tx *sql.Tx) (_ affected, err error) {
		if revoked, err = readRefreshToken(ctx, tx, id); err != nil {
			return nobody, err
		}
		owner, err := readSubject(ctx, tx, revoked.Owner)
		if err != nil {
			return nobody, err
		}
		if err := s.refuseSessions(ctx, tx, owner); err != nil {
			return nobody, err
		}
		madeBy, err := passwordMaker(ctx, tx, owner)
		if err != nil {
			return nobody, err
		}
		if became, err = s.detach(ctx, tx, id, madeBy, keepMade); err != nil {
			return nobody, err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM refresh_tokens WHERE id = ?", id); err != nil {
			return nobody, fmt.Errorf("revoke refresh token %q: %w", id, err)
		}
		told := auditedToken{RefreshToken: revoked.ID, Service: revoked.Service, Ended: became.Ended.audited(), Kept: became.Kept.audited()}
		return became.affects(owner), s.record(ctx, tx, audit.RevokeToken, revoked.Owner, told, nil)
	})
	return revoked, became, err
}

// passwordMaker is the token that set the password of a subject, if one did.
func passwordMaker(ctx context.Context, tx *sql.Tx, owner Subject) (id string, err error) {
	if err := tx.QueryRowContext(ctx, "SELECT password_made_by FROM subjects WHERE id = ?", owner.ID).Scan(&id); err != nil {
		return "", fmt.Errorf("read what set the password of %s: %w", owner.Ref, err)
	}
	return id, nil
}

// RevokeRefreshTokens ends every refresh token of a subject and what was made
// with them, and returns how many tokens there were. Errors: [ErrNotFound];
// [ErrNeedsPassword] for the docker logins of another subject.
func (s *Store) RevokeRefreshTokens(ctx context.Context, owner subject.Ref) (int64, Revocation, error) {
	var (
		revoked int64
		became  Revocation
	)
	err := s.change(ctx, func(tx *sql.Tx) (affected, error) {
		o, err := readSubject(ctx, tx, owner)
		if err != nil {
			return nobody, err
		}
		if err := s.refuseSessions(ctx, tx, o); err != nil {
			return nobody, err
		}
		if revoked, became.Ended, err = s.endRefreshTokens(ctx, tx, o); err != nil || revoked == 0 {
			return nobody, err
		}
		return became.affects(o), s.record(ctx, tx, audit.RevokeToken, owner, struct {
			RefreshTokens int64        `json:"refresh_tokens"`
			Ended         *auditedMade `json:"made_and_ended,omitempty"`
		}{revoked, became.Ended.audited()}, nil)
	})
	return revoked, became, err
}

// endRefreshTokens ends the refresh tokens of a subject and what was made with
// them. It is part of every change after which a subject must log in again.
func (s *Store) endRefreshTokens(ctx context.Context, tx *sql.Tx, owner Subject) (int64, MadeWith, error) {
	ids, err := refreshTokenIDs(ctx, tx, owner.ID)
	if err != nil {
		return 0, MadeWith{}, fmt.Errorf("revoke refresh tokens of %s: %w", owner.Ref, err)
	}
	made, err := s.endMadeWith(ctx, tx, ids)
	if err != nil {
		return 0, MadeWith{}, err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM refresh_tokens WHERE subject_id = ?", owner.ID); err != nil {
		return 0, MadeWith{}, fmt.Errorf("revoke refresh tokens of %s: %w", owner.Ref, err)
	}
	return int64(len(ids)), made, nil
}
