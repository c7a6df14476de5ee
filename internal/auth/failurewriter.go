package auth

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store"
)

const (
	// writeTimeout is how long a login waits for what it writes, and how long the
	// store may take for that: somebody may hold a lock in the database, or its
	// disk or server hang.
	writeTimeout = 2 * time.Second
	// rewriteInterval is when what could not be written is tried again. In
	// between others come to their turn: a lock that concerns failures alone
	// keeps a write that waits for it in the way of all others.
	rewriteInterval = time.Second
)

// failureWriter writes what the failures that are not stored holds to the store, all of it that there
// is at a time, and keeps it there as long as that takes no changes.
type failureWriter struct {
	store  *store.Store
	away   func() error
	ledger *unstoredFailures
	logger *zap.Logger

	// writing is held while anything is written.
	writing sync.Mutex
	// unsure is set when it is not known whether the last write passed.
	unsure bool

	mu sync.Mutex
	// next is the round that begins next, or nil.
	next *round
	// running is set while rounds are under way.
	running bool
	// failing is set while nothing can be written: nobody waits for it then.
	failing bool
	retry   *time.Timer
	closed  bool
	ended   sync.WaitGroup
	// keep is how long failures are kept at least.
	keep time.Duration
}

// round is one transaction.
type round struct{ done chan struct{} }

func newFailureWriter(s *store.Store, away func() error, l *unstoredFailures, logger *zap.Logger) *failureWriter {
	return &failureWriter{store: s, away: away, ledger: l, logger: logger, keep: time.Hour}
}

// write has what the failures that are not stored holds written, and waits for that as long as it is
// worth it.
func (w *failureWriter) write(ctx context.Context, keep time.Duration) {
	done := w.begin(keep)
	if done == nil {
		return
	}
	timer := time.NewTimer(writeTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// begin returns nil when there is nothing to wait for.
func (w *failureWriter) begin(keep time.Duration) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keep = max(w.keep, keep)
	if w.closed {
		return nil
	}
	if w.failing {
		w.again()
		return nil
	}
	if w.next == nil {
		w.next = &round{make(chan struct{})}
	}
	w.start()
	return w.next.done
}

// start is called with the lock held.
func (w *failureWriter) start() {
	if !w.running {
		w.running = true
		w.ended.Go(w.run)
	}
}

// again is called with the lock held.
func (w *failureWriter) again() {
	if w.retry != nil || w.closed {
		return
	}
	w.retry = time.AfterFunc(rewriteInterval, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.retry = nil
		if w.closed {
			return
		}
		if w.next == nil {
			w.next = &round{make(chan struct{})}
		}
		w.start()
	})
}

// run makes rounds as long as anybody asks for one.
func (w *failureWriter) run() {
	for {
		w.mu.Lock()
		current, keep := w.next, w.keep
		w.next = nil
		if current == nil {
			w.running = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		err := w.flush(ctx, keep)
		cancel()
		close(current.done)
		w.told(err)
	}
}

// told takes into account what came of a round.
func (w *failureWriter) told(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		if !w.failing && w.away() == nil {
			w.logger.Warn("wrong passwords are counted in memory: the database does not take them", zap.Error(err), zap.String("remedy", store.Hint(err)))
		}
		w.failing = true
		if w.next != nil { // they waited long enough
			close(w.next.done)
			w.next = nil
		}
		w.again()
	case w.failing:
		w.failing = false
		w.logger.Info("the database takes wrong passwords again: those that were counted in memory are in it")
	}
}

// flush writes everything.
func (w *failureWriter) flush(ctx context.Context, keep time.Duration) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	for {
		earliest := w.store.Now().Add(-keep)
		e := w.ledger.pending(earliest)
		if e.empty() {
			return nil
		}
		if away := w.away(); away != nil {
			return away
		}
		places := make([]store.FailurePlace, 0, len(e.forgotten))
		for p := range e.forgotten {
			places = append(places, store.FailurePlace{Name: p.name, Network: p.network})
		}
		err := w.store.RecordFailures(ctx, store.FailureChange{Forgotten: places, New: e.failures, Again: w.unsure}, earliest)
		w.unsure = errors.Is(err, store.ErrUnknownOutcome) || w.unsure && err != nil
		if err != nil {
			return err
		}
		w.ledger.written(e)
	}
}

// close writes what can be written, and ends.
func (w *failureWriter) close(ctx context.Context) {
	w.mu.Lock()
	w.closed = true
	if w.retry != nil {
		w.retry.Stop()
	}
	keep := w.keep
	w.mu.Unlock()
	w.ended.Wait()
	if err := w.flush(ctx, keep); err != nil {
		w.logger.Warn("the last wrong passwords are not in the database", zap.Error(err))
	}
}
