package store

import (
	"context"
	"database/sql"
	"fmt"
)

// ReplacePasswordHash stores another hash of the same password, and reports
// whether the hash was still the old one. It is no change of the subject: its
// version and its refresh tokens stay.
func (s *Store) ReplacePasswordHash(ctx context.Context, id int64, old, hash string) (bool, error) {
	var replaced int64
	err := s.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "UPDATE subjects SET password_hash = ? WHERE id = ? AND password_hash = ?", hash, id, old)
		if err != nil {
			return err
		}
		replaced, err = result.RowsAffected()
		return err
	})
	if err != nil {
		return false, fmt.Errorf("replace a password hash: %w", err)
	}
	return replaced > 0, nil
}

// PasswordHashSamples returns a stored hash of each kind and cost, and maybe
// several of one. It reads every subject.
func (s *Store) PasswordHashSamples(ctx context.Context) ([]string, error) {
	// What a hash begins with: $2y$12$, $argon2id$v=19$m=19456,t=2,p.
	samples, err := collect(ctx, s.reader, func(row scanner) (hash string, err error) { return hash, row.Scan(&hash) }, `
		SELECT MIN(password_hash) FROM subjects WHERE password_hash <> ''
		GROUP BY SUBSTR(password_hash, 1, CASE WHEN SUBSTR(password_hash, 1, 2) = '$2' THEN 7 ELSE 28 END) LIMIT 1000`)
	if err != nil {
		return nil, fmt.Errorf("read kinds of password hashes: %w", err)
	}
	return samples, nil
}
