package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dockit-registry/dockit/store/internal/dialect"
)

// ErrUnknownOutcome is returned when the connection to the database broke
// while a change was committed: it may or may not have been made.
var ErrUnknownOutcome = dialect.ErrUnknownOutcome

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
	const attempts = 10 // in a row, to reach the database
	pause, began := 5*time.Millisecond, time.Now()
	defer func() { s.noteWrite(err, time.Since(began)) }()
	turnEnds := began.Add(turnTimeout)
	for attempt := 1; ; attempt++ {
		again, reached, err := s.writeOnce(ctx, turnEnds, f)
		if err == nil {
			return nil
		}
		if reached && !errors.Is(err, driver.ErrBadConn) {
			// A connection that broke in the middle says nothing about the next. (A
			// server that takes no writes says so by driver.ErrBadConn.)
			attempt = 0
		}
		// Who collides is tried again for longer: with many nodes that is how
		// changes wait for each other.
		enough := attempt >= attempts && !s.dialect.Retryable(err)
		if !again || enough || !time.Now().Before(turnEnds) || ctx.Err() != nil {
			return s.ended(ctx, err)
		}
		select {
		case <-ctx.Done():
			return s.ended(ctx, err)
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // spreads those who collided
		}
		longestPause := 500 * time.Millisecond
		if s.dialect.Retryable(err) {
			// Who lost once must not lose again because others wait less.
			longestPause = 40 * time.Millisecond
		}
		pause = min(2*pause, longestPause)
	}
}

// ended is what a write says that is given up.
func (s *Store) ended(ctx context.Context, err error) error {
	hinted := dialect.WithHint(err, s.dialect.Hint(err))
	late := s.dialect.Retryable(err) || s.dialect.Busy(err) || errors.Is(ctx.Err(), context.DeadlineExceeded)
	if !late || errors.Is(err, ErrUnknownOutcome) || errors.Is(err, ErrLate) {
		return hinted
	}
	return fmt.Errorf("%w: %w", ErrLate, hinted)
}

// writeOnce reports whether the same transaction may pass when it is run once
// more, and does no harm then, and whether it reached the database.
func (s *Store) writeOnce(ctx context.Context, turnEnds time.Time, f func(tx *sql.Tx) error) (again, reached bool, err error) {
	mayPass := func(err error) bool { return s.dialect.Retryable(err) || s.dialect.Lost(err) }
	turn, give := context.WithCancel(ctx)
	defer give()
	waiting := time.AfterFunc(time.Until(turnEnds), give)
	defer waiting.Stop()
	tx, err := s.writer.BeginTx(turn, nil)
	if reached = err == nil; reached {
		defer func() {
			if err != nil {
				_ = tx.Rollback() // the first error is the one to report
			}
		}()
		err = s.dialect.Exclude(turn, tx)
	} else {
		err = fmt.Errorf("begin transaction: %w", err)
	}
	if tooLate := !waiting.Stop(); tooLate && ctx.Err() == nil {
		return false, reached, fmt.Errorf("wait %s for other changes: %w", turnTimeout, ErrLate)
	}
	if err != nil {
		return mayPass(err), reached, err
	}
	if err := f(tx); err != nil {
		return mayPass(err), reached, err
	}
	// Before as well: others see the change before Commit returns.
	s.litestream.wrote()
	err = commit(ctx, tx)
	s.litestream.wrote() // even if that is not sure
	switch {
	case err == nil:
		return false, true, nil
	case s.dialect.Retryable(err) || errors.Is(err, driver.ErrBadConn): // which is said only when nothing was sent
		return true, true, fmt.Errorf("commit transaction: %w", err)
	case s.dialect.Lost(err) || errors.Is(err, errCommitLate):
		return false, true, fmt.Errorf("commit transaction: %w: %w", err, ErrUnknownOutcome)
	default:
		return false, true, fmt.Errorf("commit transaction: %w", err)
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
		return <-done // no caller waits for it any more
	}
	select {
	case err := <-done:
		return err
	default:
		return errCommitLate
	}
}

const (
	// probeInterval is how often a database that refused the last write is tried
	// again for [Store.CanChange] at most.
	probeInterval = time.Second
	// trustInterval is how long a write that passed says that the next one will.
	trustInterval = 4 * time.Second
	// probePatience is how long a write may take before the database counts as
	// one that takes none. It is longer than others' writes wait for a lock.
	probePatience = 3 * time.Second
	// refusedPatience is the same while it takes none.
	refusedPatience = 500 * time.Millisecond
	// doubtAfter is how late a write is that says something about the database.
	// With less, its caller was in a hurry.
	doubtAfter = time.Second
)

// refusal is why the database took no write, such as a full disk.
type refusal struct {
	err error
	at  time.Time
}

// noteWrite keeps what the database itself said to the last write.
func (s *Store) noteWrite(err error, took time.Duration) {
	switch {
	case err == nil:
		s.passed()
	case errors.Is(err, ErrLate):
		// Others may pass, when only a part of the tables is locked.
		if took >= doubtAfter {
			s.trusted.Store(nil)
		}
	case errors.Is(err, context.Canceled):
	case Hint(err) != "":
		s.refused.Store(&refusal{err, time.Now()})
	}
}

// passed is told that the database takes writes.
func (s *Store) passed() {
	now := time.Now()
	s.trusted.Store(&now)
	s.refused.Store(nil)
}

// errTried ends a transaction that was only to be let in.
var errTried = errors.New("tried")

// probe writes the revision's own number once more: nothing changes, and yet it is
// written. Where each write is replicated to a storage that takes money for it,
// it is not, unless the last one was refused: to be let in says enough.
func (s *Store) probe(ctx context.Context) error {
	only := s.litestream != nil && s.refused.Load() == nil
	err := s.write(ctx, func(tx *sql.Tx) error {
		if only {
			return errTried
		}
		_, err := tx.ExecContext(ctx, "UPDATE revision SET number = number WHERE id = 1")
		return err
	})
	switch {
	case errors.Is(err, errTried):
		s.passed()
	case err != nil:
		err = fmt.Errorf("try to write: %w", err)
		s.refused.Store(&refusal{err, time.Now()})
		return err
	}
	return nil
}

// CanChange says why the database would take no change now, such as a full disk,
// a lock that another program holds or a server that is read-only, or why it would not be
// acknowledged. When the last write passed a while ago or was refused, it writes a
// little to find out: once for all who ask, and every few seconds at most.
func (s *Store) CanChange(ctx context.Context) error {
	if trusted := s.trusted.Load(); trusted == nil || time.Since(*trusted) >= trustInterval {
		if err := s.tryChange(ctx); err != nil {
			return err
		}
	}
	return s.changeable(ctx)
}

// RefusesChanges is [Store.CanChange] by what is known: it writes only after a
// write was refused, to find out whether that is over.
func (s *Store) RefusesChanges(ctx context.Context) error {
	if s.refused.Load() != nil {
		if err := s.tryChange(ctx); err != nil {
			return err
		}
	}
	return s.changeable(ctx)
}

func (s *Store) changeable(ctx context.Context) error {
	if err := s.dialect.Writable(ctx, s.writer); err != nil {
		return err
	}
	return s.canReplicate()
}

// tryChange writes, and waits for that only so long. The write goes on to wait,
// and is the first to know when the database takes changes again.
func (s *Store) tryChange(ctx context.Context) error {
	last, patience := s.refused.Load(), probePatience
	if last != nil {
		if time.Since(last.at) < probeInterval {
			return last.err
		}
		patience = refusedPatience
	}
	tried := s.probing.DoChan("", func() (any, error) { return nil, s.probe(context.WithoutCancel(ctx)) })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case result := <-tried:
		return result.Err
	case <-ctx.Done():
		if last != nil {
			return last.err
		}
		return fmt.Errorf("try to write: %w", ctx.Err())
	case <-timer.C:
		late := &refusal{fmt.Errorf("try to write: %w", ErrLate), time.Now()}
		s.refused.CompareAndSwap(last, late)
		return late.err
	}
}
