package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

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
	case Remedy(err) != "":
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
// a lock that somebody holds or a server that is read-only, or why it would not be
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
	if err := s.dialect.writable(ctx, s.writer); err != nil {
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
