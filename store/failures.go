package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Failure is a wrong password.
type Failure struct {
	// Name is what was given as username. Nobody needs to have it.
	Name string
	// Network is the address prefix that it came from.
	Network string
	At      time.Time
}

// maxFailuresRead bounds what one login attempt reads. Whoever limits guesses
// lets fewer of them happen.
const maxFailuresRead = 5000

const failuresQuery = `
SELECT name, network, at FROM login_failures
WHERE name = ? AND at > ? AND (at > ? OR network = ?) ORDER BY at DESC LIMIT ?`

func scanFailure(row scanner) (f Failure, err error) {
	var at int64
	err = row.Scan(&f.Name, &f.Network, &at)
	f.At = fromTimestamp(at)
	return f, err
}

// Failures lists the wrong passwords for a name, the latest first: those after
// one time from everywhere, and those after an earlier one from a network.
func (s *Store) Failures(ctx context.Context, name string, after time.Time, network string, earlier time.Time) ([]Failure, error) {
	rows, err := s.failures.QueryContext(ctx, name, timestamp(earlier), timestamp(after), network, maxFailuresRead)
	if err != nil {
		return nil, fmt.Errorf("read failed logins of %q: %w", name, err)
	}
	failures, err := scanAll(rows, scanFailure)
	if err != nil {
		return nil, fmt.Errorf("read failed logins of %q: %w", name, err)
	}
	return failures, nil
}

// RecentFailures lists the wrong passwords after a time, by name and time.
func (s *Store) RecentFailures(ctx context.Context, after time.Time) ([]Failure, error) {
	const most = 100_000
	failures, err := collect(ctx, s.reader, scanFailure,
		"SELECT name, network, at FROM login_failures WHERE at > ? ORDER BY name, at LIMIT ?", timestamp(after), most)
	if err != nil {
		return nil, fmt.Errorf("read failed logins: %w", err)
	}
	return failures, nil
}

// RecordFailure writes down a wrong password, and forgets those before a time.
func (s *Store) RecordFailure(ctx context.Context, f Failure, forget time.Time) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO login_failures (name, network, at) VALUES (?, ?, ?)", f.Name, f.Network, timestamp(f.At)); err != nil {
			return fmt.Errorf("record a failed login of %q: %w", f.Name, err)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM login_failures WHERE at < ?", timestamp(forget)); err != nil {
			return fmt.Errorf("forget failed logins: %w", err)
		}
		return nil
	})
}

// ForgetFailures forgets the wrong passwords for a name from one address
// prefix, and returns how many there were.
func (s *Store) ForgetFailures(ctx context.Context, name, network string) (int64, error) {
	return s.forgetFailures(ctx, "DELETE FROM login_failures WHERE name = ? AND network = ?", name, network)
}

// ForgetAllFailures forgets the wrong passwords for a name from everywhere, and
// returns how many there were.
func (s *Store) ForgetAllFailures(ctx context.Context, name string) (int64, error) {
	return s.forgetFailures(ctx, "DELETE FROM login_failures WHERE name = ?", name)
}

func (s *Store) forgetFailures(ctx context.Context, query string, args ...any) (int64, error) {
	var forgotten int64
	err := s.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		forgotten, err = result.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forget failed logins of %q: %w", args[0], err)
	}
	return forgotten, nil
}
