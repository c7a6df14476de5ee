package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// loginNetworkKept is how long an address prefix that a subject logged in from
// is known.
const loginNetworkKept = 90 * 24 * time.Hour

// Uses are what happened since uses were recorded last.
type Uses struct {
	// AccessTokens, RefreshTokens and Sessions are the last uses by the id of the
	// token.
	AccessTokens  map[string]Use
	RefreshTokens map[string]Use
	Sessions      map[string]Use
	// Networks are when a subject logged in with its password from where.
	Networks map[LoginNetwork]time.Time
}

// LoginNetwork is an address prefix that a subject logged in from.
type LoginNetwork struct {
	SubjectID int64
	Network   string
}

// RecordUses writes down uses in one transaction. What was revoked in the
// meantime is left out, and a later use that another node recorded stays.
func (s *Store) RecordUses(ctx context.Context, uses Uses) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		for _, of := range []struct {
			what, update string
			uses         map[string]Use
		}{
			{"access tokens", "UPDATE access_tokens SET last_used_at = ?, last_used_address = ?, last_used_client = ? WHERE id = ? AND last_used_at < ?", uses.AccessTokens},
			{"refresh tokens", "UPDATE refresh_tokens SET last_used_at = ?, last_used_address = ?, last_used_client = ? WHERE id = ? AND last_used_at < ?", uses.RefreshTokens},
			{"sessions", "UPDATE sessions SET last_used_at = ?, last_used_address = ?, last_used_client = ? WHERE id = ? AND last_used_at < ?", uses.Sessions},
		} {
			if len(of.uses) == 0 {
				continue
			}
			if err := recordUses(ctx, tx, of.update, of.uses); err != nil {
				return fmt.Errorf("record the last uses of %s: %w", of.what, err)
			}
		}
		for network, at := range uses.Networks {
			if err := s.recordLoginNetwork(ctx, tx, network, at); err != nil {
				return fmt.Errorf("record where a subject logged in from: %w", err)
			}
		}
		if len(uses.Networks) == 0 || !s.MayForget() {
			return nil
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM login_networks WHERE at < ?", timestamp(s.now().Add(-loginNetworkKept))); err != nil {
			return fmt.Errorf("forget where subjects logged in from: %w", err)
		}
		return nil
	})
}

func recordUses(ctx context.Context, tx *sql.Tx, update string, uses map[string]Use) error {
	stmt, err := tx.PrepareContext(ctx, update)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for id, use := range uses {
		at := timestamp(use.At)
		if _, err := stmt.ExecContext(ctx, at, use.Address, use.Client, id, at); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) recordLoginNetwork(ctx context.Context, tx *sql.Tx, n LoginNetwork, at time.Time) error {
	var last int64
	err := tx.QueryRowContext(ctx, "SELECT at FROM login_networks WHERE subject_id = ? AND network = ?", n.SubjectID, n.Network).Scan(&last)
	switch {
	case err == nil:
		_, err = tx.ExecContext(ctx, "UPDATE login_networks SET at = ? WHERE subject_id = ? AND network = ?", max(last, timestamp(at)), n.SubjectID, n.Network)
		return err
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	// The subject may be gone.
	_, err = tx.ExecContext(ctx, "INSERT INTO login_networks (subject_id, network, at) SELECT id, ?, ? FROM subjects WHERE id = ?",
		n.Network, timestamp(at), n.SubjectID)
	return err
}

// KnowsNetwork reports whether the user of that name logged in from an address
// prefix before.
func (s *Store) KnowsNetwork(ctx context.Context, name, network string) (bool, error) {
	var known bool
	err := s.reader.QueryRowContext(ctx, `
		SELECT EXISTS (SELECT 1 FROM login_networks n JOIN subjects s ON s.id = n.subject_id WHERE s.name = ? AND n.network = ? AND n.at >= ?)`,
		name, network, timestamp(s.now().Add(-loginNetworkKept))).Scan(&known)
	if err != nil {
		return false, fmt.Errorf("look for where %q logged in from: %w", name, err)
	}
	return known, nil
}

const loginNetworkQuery = "SELECT EXISTS (SELECT 1 FROM login_networks WHERE network = ? AND at >= ?)"

// IsLoginNetwork reports whether any subject logged in from an address prefix before.
func (s *Store) IsLoginNetwork(ctx context.Context, network string) (bool, error) {
	var known bool
	err := s.reader.QueryRowContext(ctx, loginNetworkQuery, network, timestamp(s.now().Add(-loginNetworkKept))).Scan(&known)
	if err != nil {
		return false, fmt.Errorf("look for who logged in from %s: %w", network, err)
	}
	return known, nil
}
