package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// probeInterval is how often a database that refused the last write is tried
// again for [Store.CanChange] at most.
const probeInterval = time.Second

// refusal is why the database took no write, such as a full disk.
type refusal struct {
	err error
	at  time.Time
}

// noteWrite keeps what the database itself said to the last write.
func (s *Store) noteWrite(err error) {
	switch {
	case err == nil:
		s.refused.Store(nil)
	case errors.Is(err, context.Canceled):
	case Remedy(err) != "":
		s.refused.Store(&refusal{err, time.Now()})
	}
}

// probe writes the revision's own number once more: nothing changes, and yet it is
// written.
func (s *Store) probe(ctx context.Context) error {
	const timeout = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE revision SET number = number WHERE id = 1")
		return err
	})
	if err != nil {
		return fmt.Errorf("try to write: %w", err)
	}
	return nil
}

// CanChange says why the database would take no change now, such as a full disk
// or a server that is read-only, or why it would not be acknowledged, and
// returns nil when nothing is known against it. After a write was refused it
// writes a little to find out whether that is over.
func (s *Store) CanChange(ctx context.Context) error {
	if last := s.refused.Load(); last != nil {
		if time.Since(last.at) < probeInterval {
			return last.err
		}
		// Everybody may ask this: one attempt serves all who do.
		tried := s.probing.DoChan("", func() (any, error) { return nil, s.probe(context.WithoutCancel(ctx)) })
		select {
		case result := <-tried:
			if result.Err != nil {
				return result.Err
			}
		case <-ctx.Done():
			return last.err
		}
	}
	if err := s.dialect.writable(ctx, s.writer); err != nil {
		return err
	}
	return s.canReplicate()
}
