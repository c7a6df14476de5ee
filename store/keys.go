package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/pki"
)

const keyVersionQuery = "SELECT number FROM signing_keys_version WHERE id = 1"

// KeyVersion implements [pki.Store].
func (s *Store) KeyVersion(ctx context.Context) (int64, error) {
	return keyVersion(ctx, s.reader)
}

func keyVersion(ctx context.Context, q queryer) (int64, error) {
	var number int64
	if err := q.QueryRowContext(ctx, keyVersionQuery).Scan(&number); err != nil {
		return 0, fmt.Errorf("read version of signing keys: %w", err)
	}
	return number, nil
}

// Keys implements [pki.Store].
func (s *Store) Keys(ctx context.Context) (version int64, records []pki.Record, err error) {
	// Version and keys must belong together.
	tx, err := s.reader.BeginTx(ctx, s.dialect.Snapshot)
	if err != nil {
		return 0, nil, fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	if version, err = keyVersion(ctx, tx); err != nil {
		return 0, nil, err
	}
	records, err = collect(ctx, tx, scanKey, `
		SELECT id, purpose, service, issuer, certificate, private_key, sealing, mac, brought,
		       created_at, active_from, retired_at, revoked_at
		FROM signing_keys ORDER BY created_at, id`)
	if err != nil {
		return 0, nil, fmt.Errorf("read signing keys: %w", err)
	}
	return version, records, nil
}

func scanKey(row scanner) (pki.Record, error) {
	var (
		r                                           pki.Record
		createdAt, activeFrom, retiredAt, revokedAt int64
	)
	err := row.Scan(&r.ID, &r.Purpose, &r.Service, &r.Issuer, &r.Certificate, &r.PrivateKey, &r.Sealing, &r.MAC, &r.External,
		&createdAt, &activeFrom, &retiredAt, &revokedAt)
	if len(r.PrivateKey) == 0 {
		r.PrivateKey = nil // as insertKey got it
	}
	if len(r.MAC) == 0 {
		r.MAC = nil
	}
	r.CreatedAt = optionalTime(createdAt)
	r.ActiveFrom = optionalTime(activeFrom)
	r.RetiredAt = optionalTime(retiredAt)
	r.RevokedAt = optionalTime(revokedAt)
	return r, err
}

// ChangeKeys implements [pki.Store].
func (s *Store) ChangeKeys(ctx context.Context, version int64, put []pki.Record, remove []string) error {
	remove = slices.Clone(remove)
	for _, record := range put {
		remove = append(remove, record.ID) // what is there is replaced
	}
	err := s.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx,
			"UPDATE signing_keys_version SET number = number + 1 WHERE id = 1 AND number = ?", version)
		if err != nil {
			return fmt.Errorf("increment version of signing keys: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil {
			return fmt.Errorf("increment version of signing keys: %w", err)
		} else if n == 0 {
			return pki.ErrConflict
		}
		for _, id := range remove {
			if _, err := tx.ExecContext(ctx, "DELETE FROM signing_keys WHERE id = ?", id); err != nil {
				return fmt.Errorf("remove signing key %s: %w", id, err)
			}
		}
		for _, record := range put {
			if err := insertKey(ctx, tx, record); err != nil {
				return fmt.Errorf("write signing key %s: %w", record.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	// The change holds whether or not this succeeds.
	if err := s.dialect.Forget(ctx, s.writer); err != nil {
		s.logger.Warn("overwriting deleted keys in the database", zap.Error(err))
	}
	return nil
}

func insertKey(ctx context.Context, tx *sql.Tx, r pki.Record) error {
	privateKey, mac := r.PrivateKey, r.MAC
	if privateKey == nil {
		privateKey = []byte{} // nil is NULL
	}
	if mac == nil {
		mac = []byte{}
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO signing_keys (id, purpose, service, issuer, certificate, private_key, sealing, mac, brought,
		                          created_at, active_from, retired_at, revoked_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, string(r.Purpose), r.Service, r.Issuer, r.Certificate, privateKey, r.Sealing, mac, r.External,
		optionalTimestamp(r.CreatedAt), optionalTimestamp(r.ActiveFrom),
		optionalTimestamp(r.RetiredAt), optionalTimestamp(r.RevokedAt))
	return err
}

// optionalTimestamp writes the zero time as 0.
func optionalTimestamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return timestamp(t)
}

func optionalTime(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return fromTimestamp(us)
}

var _ pki.Store = (*Store)(nil)
