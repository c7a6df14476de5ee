package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// ErrUnknownOutcome is returned when the connection to the database broke
// while a change was committed: it may or may not have been made.
var ErrUnknownOutcome = errors.New("it is not known whether the change was made: look before you make it again")

// change runs f in a transaction that is also the next revision. Everything that
// takes something away from a subject or a secret, or gives it, is one. f says
// whom it concerns.
func (s *Store) change(ctx context.Context, f func(tx *sql.Tx) (affected, error)) error {
	var made Change
	err := s.write(ctx, func(tx *sql.Tx) error {
		made = Change{}
		whom, err := f(tx)
		if err != nil || whom == nobody {
			return err
		}
		made, err = note(ctx, tx, whom)
		return err
	})
	if watcher := s.watcher.Load(); watcher != nil && made.Revision != 0 && (err == nil || errors.Is(err, ErrUnknownOutcome)) {
		(*watcher)(made)
	}
	return err
}

// write runs f in a transaction that no other one runs beside, on any node. It
// repeats the whole of it when the database asks for that or the connection
// broke before the commit. f must not have effects outside the transaction.
func (s *Store) write(ctx context.Context, f func(tx *sql.Tx) error) (err error) {
	defer func() { s.noteWrite(err) }()
	const (
		attempts = 10               // to reach the database
		longest  = 30 * time.Second // no attempt begins later
	)
	pause, began := 5*time.Millisecond, time.Now()
	for attempt := 1; ; attempt++ {
		again, err := s.writeOnce(ctx, f)
		if err == nil {
			return nil
		}
		// Who collides is tried again for longer: with many nodes that is how
		// changes wait for each other.
		enough := attempt >= attempts && !s.dialect.retryable(err)
		if !again || enough || time.Since(began) > longest || ctx.Err() != nil {
			return s.dialect.explain(err)
		}
		select {
		case <-ctx.Done():
			return s.dialect.explain(err)
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // spreads those who collided
		}
		longestPause := 500 * time.Millisecond
		if s.dialect.retryable(err) {
			// Who lost once must not lose again because others wait less.
			longestPause = 40 * time.Millisecond
		}
		pause = min(2*pause, longestPause)
	}
}

// writeOnce reports whether the same transaction may pass when it is run once
// more, and does no harm then.
func (s *Store) writeOnce(ctx context.Context, f func(tx *sql.Tx) error) (again bool, err error) {
	mayPass := func(err error) bool { return s.dialect.retryable(err) || s.dialect.lost(err) }
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return mayPass(err), fmt.Errorf("begin transaction: %w", err)
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // the first error is the one to report
		}
	}()
	if err := s.dialect.exclude(ctx, tx); err != nil {
		return mayPass(err), err
	}
	if err := f(tx); err != nil {
		return mayPass(err), err
	}
	// Before as well: others see the change before Commit returns.
	s.litestream.wrote()
	err = tx.Commit()
	s.litestream.wrote() // even if that is not sure
	switch {
	case err == nil:
		return false, nil
	case s.dialect.retryable(err) || errors.Is(err, driver.ErrBadConn): // which is said only when nothing was sent
		return true, fmt.Errorf("commit transaction: %w", err)
	case s.dialect.lost(err):
		return false, fmt.Errorf("commit transaction: %w: %w", err, ErrUnknownOutcome)
	default:
		return false, fmt.Errorf("commit transaction: %w", err)
	}
}
