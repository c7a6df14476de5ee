package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/subject"
)

// Failure is a wrong password.
type Failure struct {
	// Name is what was given as username, of an existing subject or not.
	Name string
	// Network is the address prefix that it came from.
	Network string
	At      time.Time
}

// maxFailuresRead bounds what one login attempt reads. A caller that limits guesses
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
	failures, err := answered(s, func() ([]Failure, error) {
		rows, err := s.failures.QueryContext(ctx, name, timestamp(earlier), timestamp(after), network, maxFailuresRead)
		if err != nil {
			return nil, err
		}
		return scanAll(rows, scanFailure)
	})
	if err != nil {
		return nil, fmt.Errorf("read failed logins of %q: %w", name, err)
	}
	return failures, nil
}

// UnknownName is what stands before the hash of a name that no subject has. No
// subject's name begins so.
const UnknownName = "unknown:"

// RecentFailures lists the wrong passwords after a time, the latest first. Those
// for names that no subject has come last: a client can make many of them.
func (s *Store) RecentFailures(ctx context.Context, after time.Time) ([]Failure, error) {
	return s.recentFailures(ctx, after, maxRecentFailures)
}

// maxRecentFailures bounds what is read for a listing.
const maxRecentFailures = 100_000

func (s *Store) recentFailures(ctx context.Context, after time.Time, most int) ([]Failure, error) {
	failures, err := collect(ctx, s.reader, scanFailure, `
		SELECT name, network, at FROM login_failures WHERE at > ?
		ORDER BY CASE WHEN name LIKE '`+UnknownName+`%' THEN 1 ELSE 0 END, at DESC, id DESC LIMIT ?`, timestamp(after), most)
	if err != nil {
		return nil, fmt.Errorf("read failed logins: %w", err)
	}
	return failures, nil
}

// FailurePlace is where wrong passwords for a name come from.
type FailurePlace struct{ Name, Network string }

// FailureChange is what is to be written about wrong passwords.
type FailureChange struct {
	// Forgotten are the places whose failures are forgotten first.
	Forgotten []FailurePlace
	New       []Failure
	// Again is set when some of it may be there already, because it is not known
	// what became of the change.
	Again bool
}

// RecordFailures makes a change, and forgets the failures before a time as long as
// [Store.MayForget].
func (s *Store) RecordFailures(ctx context.Context, c FailureChange, forget time.Time) error {
	insert := "INSERT INTO login_failures (name, network, at) VALUES (?, ?, ?)"
	if c.Again {
		insert = `
			INSERT INTO login_failures (name, network, at) SELECT f.name, f.network, f.at FROM (SELECT ? AS name, ? AS network, ? AS at) f
			WHERE NOT EXISTS (SELECT 1 FROM login_failures l WHERE l.name = f.name AND l.network = f.network AND l.at = f.at)`
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		for _, p := range c.Forgotten {
			if err := forgetFailures(ctx, tx, p); err != nil {
				return err
			}
		}
		for _, f := range c.New {
			if _, err := tx.ExecContext(ctx, insert, f.Name, f.Network, timestamp(f.At)); err != nil {
				return fmt.Errorf("record a failed login of %q: %w", f.Name, err)
			}
		}
		if !s.MayForget() {
			return nil
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM login_failures WHERE at < ?", timestamp(forget)); err != nil {
			return fmt.Errorf("forget failed logins: %w", err)
		}
		return nil
	})
}

func forgetFailures(ctx context.Context, tx *sql.Tx, p FailurePlace) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM login_failures WHERE name = ? AND network = ?", p.Name, p.Network); err != nil {
		return fmt.Errorf("forget failed logins of %q: %w", p.Name, err)
	}
	return nil
}

// ClearLockout forgets the wrong passwords for a user or robot, from one
// address prefix or, without one, from everywhere, and returns how many there
// were. It returns [ErrNotFound] when there is no such subject.
func (s *Store) ClearLockout(ctx context.Context, owner subject.Ref, network string) (int64, error) {
	var cleared int64
	err := s.write(ctx, func(tx *sql.Tx) error {
		if _, err := readSubject(ctx, tx, owner); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, "DELETE FROM login_failures WHERE name = ? AND network = COALESCE(?, network)",
			owner.Name, sql.NullString{String: network, Valid: network != ""})
		if err == nil {
			cleared, err = result.RowsAffected()
		}
		if err != nil {
			return fmt.Errorf("forget failed logins of %s: %w", owner, err)
		}
		if cleared == 0 {
			return nil // nothing to record
		}
		return s.record(ctx, tx, audit.ClearLockout, owner, clearedLockout{cleared, network}, nil)
	})
	return cleared, err
}

// clearedLockout is what an audit entry says of a lockout.
type clearedLockout struct {
	Failures int64  `json:"failures"`
	Network  string `json:"network,omitempty"`
}
