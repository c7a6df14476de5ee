package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/federation"
)

// maxAway is the longest reason that is kept, in bytes.
const maxAway = 500

// IssuerKeys are what an issuer published last. All nodes share them.
type IssuerKeys struct {
	// Keys are empty before the first answer.
	federation.Keys
	// AskedAt is when a node asked the issuer last, or was about to.
	AskedAt time.Time
	// AwaySince is when it did not answer rightly for the first time since then,
	// zero while it does, and Away says what happened the last time.
	AwaySince time.Time
	Away      string
}

const issuerKeysQuery = "SELECT issuer_id, jwks, source, fetched_at, asked_at, away_since, away FROM issuer_keys"

type storedIssuerKeys struct {
	issuerID int64
	IssuerKeys
}

func scanIssuerKeys(row scanner) (k storedIssuerKeys, err error) {
	var fetched, asked, away int64
	err = row.Scan(&k.issuerID, &k.JWKS, &k.Source, &fetched, &asked, &away, &k.Away)
	k.FetchedAt, k.AskedAt, k.AwaySince = optionalTime(fetched), optionalTime(asked), optionalTime(away)
	if len(k.JWKS) == 0 {
		k.JWKS = nil // drivers disagree
	}
	return k, err
}

func readIssuerKeys(ctx context.Context, q queryer) (map[int64]IssuerKeys, error) {
	all, err := collect(ctx, q, scanIssuerKeys, issuerKeysQuery)
	if err != nil {
		return nil, fmt.Errorf("read the keys of issuers: %w", err)
	}
	keys := make(map[int64]IssuerKeys, len(all))
	for _, one := range all {
		keys[one.issuerID] = one.IssuerKeys
	}
	return keys, nil
}

// IssuerKeys are the keys of one issuer, none if nothing was fetched yet.
func (s *Store) IssuerKeys(ctx context.Context, issuerID int64) (IssuerKeys, error) {
	found, err := issuerKeys(ctx, s.reader, issuerID)
	return found.IssuerKeys, err
}

func issuerKeys(ctx context.Context, q queryer, issuerID int64) (storedIssuerKeys, error) {
	found, err := scanIssuerKeys(q.QueryRowContext(ctx, issuerKeysQuery+" WHERE issuer_id = ?", issuerID))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return storedIssuerKeys{issuerID: issuerID}, nil
	case err != nil:
		return storedIssuerKeys{}, fmt.Errorf("read the keys of an issuer: %w", err)
	}
	return found, nil
}

// ClaimIssuerFetch reports whether the caller is to ask an issuer for its keys: no
// node did since a time. From then on, this one did.
func (s *Store) ClaimIssuerFetch(ctx context.Context, issuerID int64, since time.Time) (mine bool, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		if err := addIssuerKeys(ctx, tx, issuerID); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, "UPDATE issuer_keys SET asked_at = ? WHERE issuer_id = ? AND asked_at <= ?", timestamp(s.now()), issuerID, timestamp(since))
		if err != nil {
			return fmt.Errorf("note that an issuer is asked: %w", err)
		}
		changed, err := result.RowsAffected()
		mine = changed > 0
		return err
	})
	return mine, err
}

// addIssuerKeys makes the row of an issuer, if the issuer is still there.
func addIssuerKeys(ctx context.Context, tx *sql.Tx, issuerID int64) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO issuer_keys (issuer_id, jwks, away)
		SELECT i.id, ?, '' FROM issuers i WHERE i.id = ? AND NOT EXISTS (SELECT 1 FROM issuer_keys k WHERE k.issuer_id = i.id)`, []byte{}, issuerID)
	if err != nil {
		return fmt.Errorf("note an issuer that is asked: %w", err)
	}
	return nil
}

// PutIssuerKeys keeps what an issuer answered. Where other keys came or went, every
// node hears of it, and the audit says which. It returns [ErrNotFound] for an issuer
// that is gone, or has other settings by now.
func (s *Store) PutIssuerKeys(ctx context.Context, issuerID int64, keys federation.Keys) error {
	return s.change(ctx, func(tx *sql.Tx) (affected, error) {
		issuer, err := scanIssuer(tx.QueryRowContext(ctx, "SELECT "+issuerColumns+" FROM issuers i WHERE i.id = ?", issuerID))
		switch {
		case errors.Is(err, sql.ErrNoRows), err == nil && issuer.KeySource() != keys.Source:
			return nobody, fmt.Errorf("issuer whose keys were fetched: %w", ErrNotFound)
		case err != nil:
			return nobody, fmt.Errorf("read an issuer: %w", err)
		}
		before, err := issuerKeys(ctx, tx, issuerID)
		if err != nil {
			return nobody, err
		}
		if err := s.putIssuerKeys(ctx, tx, issuerID, keys); err != nil {
			return nobody, err
		}
		if bytes.Equal(before.JWKS, keys.JWKS) && before.Source == keys.Source {
			return nobody, nil
		}
		was, is := keyIDs(before.JWKS), keyIDs(keys.JWKS)
		if slices.Equal(was, is) {
			return federated, nil
		}
		return federated, s.recordNamed(ctx, tx, audit.RefreshIssuer, audit.IssuerName(issuer.Name), refreshedKeys{was}, refreshedKeys{is})
	})
}

func (s *Store) putIssuerKeys(ctx context.Context, tx *sql.Tx, issuerID int64, keys federation.Keys) error {
	if err := addIssuerKeys(ctx, tx, issuerID); err != nil {
		return err
	}
	now := timestamp(s.now())
	_, err := tx.ExecContext(ctx,
		"UPDATE issuer_keys SET jwks = ?, source = ?, fetched_at = ?, asked_at = ?, away_since = 0, away = '' WHERE issuer_id = ?",
		keys.JWKS, keys.Source, timestamp(keys.FetchedAt), now, issuerID)
	if err != nil {
		return fmt.Errorf("keep the keys of an issuer: %w", err)
	}
	return nil
}

// PutIssuerAway notes that an issuer did not answer rightly. Its keys stay.
func (s *Store) PutIssuerAway(ctx context.Context, issuerID int64, why string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if err := addIssuerKeys(ctx, tx, issuerID); err != nil {
			return err
		}
		now := timestamp(s.now())
		_, err := tx.ExecContext(ctx, `
			UPDATE issuer_keys SET asked_at = ?, away = ?, away_since = CASE WHEN away_since = 0 THEN ? ELSE away_since END WHERE issuer_id = ?`,
			now, clipped(why, maxAway), now, issuerID)
		if err != nil {
			return fmt.Errorf("note that an issuer is away: %w", err)
		}
		return nil
	})
}

// keyIDs are the ids of the keys in a JWK set, in order, or the digests of those
// that have none.
func keyIDs(jwks []byte) []string {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	ids := []string{}
	if len(jwks) == 0 || json.Unmarshal(jwks, &set) != nil {
		return ids
	}
	for _, key := range set.Keys[:min(len(set.Keys), maxAuditList)] {
		var named struct {
			ID string `json:"kid"`
		}
		if json.Unmarshal(key, &named) != nil || named.ID == "" {
			named.ID = digestOf(string(key))
		}
		ids = append(ids, clipped(named.ID, maxKeyID))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// maxKeyID is how much of the id of a key goes to the audit, in bytes.
const maxKeyID = 128

// digestOf names a long text in a short one.
func digestOf(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}
