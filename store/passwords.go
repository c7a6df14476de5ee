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

// hashKind is what a hash begins with: $2y$12$, $argon2id$v=19$m=19456,t=2,p.
const hashKind = "SUBSTR(password_hash, 1, CASE WHEN SUBSTR(password_hash, 1, 2) = '$2' THEN 7 ELSE 28 END)"

// groupedHashSamples reads every subject.
const groupedHashSamples = "SELECT MIN(password_hash) FROM subjects WHERE password_hash <> '' GROUP BY " + hashKind + " LIMIT 1000"

// steppedHashSamples goes from each kind to the next one in an index: however
// many subjects there are, it reads one of each.
const steppedHashSamples = `
WITH RECURSIVE kinds (beginning) AS (
    SELECT ''
    UNION ALL
    SELECT (SELECT ` + hashKind + ` FROM subjects WHERE ` + hashKind + ` > beginning ORDER BY 1 LIMIT 1) FROM kinds WHERE beginning IS NOT NULL
    LIMIT 1000)
SELECT (SELECT password_hash FROM subjects WHERE ` + hashKind + ` = beginning LIMIT 1) FROM kinds WHERE beginning <> ''`

// PasswordHashSamples returns a stored hash of each kind and cost, and maybe
// several of one.
func (s *Store) PasswordHashSamples(ctx context.Context) ([]string, error) {
	samples, err := collect(ctx, s.reader, func(row scanner) (hash string, err error) { return hash, row.Scan(&hash) }, s.dialect.hashSamples)
	if err != nil {
		return nil, fmt.Errorf("read kinds of password hashes: %w", err)
	}
	return samples, nil
}
