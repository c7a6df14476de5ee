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

// ErrLate is returned for a change that the database did not let in, in time or
// before the deadline of its context. Nothing of it was made.
var ErrLate = errors.New("the database takes no change in time")

// turnTimeout is how long a change waits for its turn. What it does then takes as
// long as it takes.
const turnTimeout = 10 * time.Second

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
	const attempts = 10 // to reach the database
	pause, began := 5*time.Millisecond, time.Now()
	defer func() { s.noteWrite(err, time.Since(began)) }()
	turnEnds := began.Add(turnTimeout)
	for attempt := 1; ; attempt++ {
		again, err := s.writeOnce(ctx, turnEnds, f)
		if err == nil {
			return nil
		}
		// Who collides is tried again for longer: with many nodes that is how
		// changes wait for each other.
		enough := attempt >= attempts && !s.dialect.retryable(err)
		if !again || enough || !time.Now().Before(turnEnds) || ctx.Err() != nil {
			return s.ended(ctx, err)
		}
		select {
		case <-ctx.Done():
			return s.ended(ctx, err)
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

// ended is what a write says that is given up.
func (s *Store) ended(ctx context.Context, err error) error {
	explained := s.dialect.explain(err)
	late := s.dialect.retryable(err) || s.dialect.busy(err) || errors.Is(ctx.Err(), context.DeadlineExceeded)
	if !late || errors.Is(err, ErrUnknownOutcome) || errors.Is(err, ErrLate) {
		return explained
	}
	return fmt.Errorf("%w: %w", ErrLate, explained)
}

// writeOnce reports whether the same transaction may pass when it is run once
// more, and does no harm then.
func (s *Store) writeOnce(ctx context.Context, turnEnds time.Time, f func(tx *sql.Tx) error) (again bool, err error) {
	mayPass := func(err error) bool { return s.dialect.retryable(err) || s.dialect.lost(err) }
	turn, give := context.WithCancel(ctx)
	defer give()
	waiting := time.AfterFunc(time.Until(turnEnds), give)
	defer waiting.Stop()
	tx, err := s.writer.BeginTx(turn, nil)
	if err == nil {
		defer func() {
			if err != nil {
				_ = tx.Rollback() // the first error is the one to report
			}
		}()
		err = s.dialect.exclude(turn, tx)
	} else {
		err = fmt.Errorf("begin transaction: %w", err)
	}
	if tooLate := !waiting.Stop(); tooLate && ctx.Err() == nil {
		return false, fmt.Errorf("wait %s for other changes: %w", turnTimeout, ErrLate)
	}
	if err != nil {
		return mayPass(err), err
	}
	if err := f(tx); err != nil {
		return mayPass(err), err
	}
	// Before as well: others see the change before Commit returns.
	s.litestream.wrote()
	err = commit(ctx, tx)
	s.litestream.wrote() // even if that is not sure
	switch {
	case err == nil:
		return false, nil
	case s.dialect.retryable(err) || errors.Is(err, driver.ErrBadConn): // which is said only when nothing was sent
		return true, fmt.Errorf("commit transaction: %w", err)
	case s.dialect.lost(err) || errors.Is(err, errCommitLate):
		return false, fmt.Errorf("commit transaction: %w: %w", err, ErrUnknownOutcome)
	default:
		return false, fmt.Errorf("commit transaction: %w", err)
	}
}

var errCommitLate = errors.New("the database does not answer in time")

// commit waits for the database no longer than to the deadline of ctx, if there
// is one: drivers do not.
func commit(ctx context.Context, tx *sql.Tx) error {
	if _, bounded := ctx.Deadline(); !bounded {
		return tx.Commit()
	}
	done := make(chan error, 1)
	go func() { done <- tx.Commit() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return <-done // nobody waits for it any more
	}
	select {
	case err := <-done:
		return err
	default:
		return errCommitLate
	}
}
