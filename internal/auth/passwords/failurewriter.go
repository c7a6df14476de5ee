package passwords

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
	// store may take for that: another process may hold a lock in the database, or its
	// disk or server hang.
	writeTimeout = 2 * time.Second
	// rewriteInterval is when what could not be written is tried again. In
	// between others come to their turn: a lock that concerns failures alone
	// keeps a write that waits for it in the way of all others.
	rewriteInterval = time.Second
)

// failureWriter writes unstored failures to the store, all that there are at a
// time, and keeps them in memory as long as the store takes no changes.
type failureWriter struct {
	store       *store.Store
	unavailable func() error
	unstored    *unstoredFailures
	logger      *zap.Logger

	// writing is held while anything is written.
	writing sync.Mutex
	// unsure is set when it is not known whether the last write passed.
	unsure bool

	mu sync.Mutex
	// next is the round that begins next, or nil.
	next *round
	// running is set while rounds are under way.
	running bool
	// failing is set while nothing can be written: logins do not wait for it then.
	failing bool
	retry   *time.Timer
	closed  bool
	ended   sync.WaitGroup
	// keep is how long failures are kept at least.
	keep time.Duration
}

// round is one transaction.
type round struct{ done chan struct{} }

func newFailureWriter(s *store.Store, unavailable func() error, unstored *unstoredFailures, logger *zap.Logger) *failureWriter {
	return &failureWriter{store: s, unavailable: unavailable, unstored: unstored, logger: logger, keep: time.Hour}
}

// write has the unstored failures written, and waits for that as long as it is
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
		w.retryLater()
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

// retryLater is called with the lock held.
func (w *failureWriter) retryLater() {
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

// run makes rounds as long as one is asked for.
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
		w.roundEnded(err)
	}
}

// roundEnded takes into account what came of a round.
func (w *failureWriter) roundEnded(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		if !w.failing && w.unavailable() == nil {
			w.logger.Warn("wrong passwords are counted in memory: the database does not take them", zap.Error(err), zap.String("remedy", store.Hint(err)))
		}
		w.failing = true
		if w.next != nil { // they waited long enough
			close(w.next.done)
			w.next = nil
		}
		w.retryLater()
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
		pending := w.unstored.pending(earliest)
		if pending.empty() {
			return nil
		}
		if unavailable := w.unavailable(); unavailable != nil {
			return unavailable
		}
		places := make([]store.FailurePlace, 0, len(pending.forgotten))
		for b := range pending.forgotten {
			places = append(places, store.FailurePlace{Name: b.name, Network: b.network})
		}
		err := w.store.RecordFailures(ctx, store.FailureChange{Forgotten: places, New: pending.failures, Again: w.unsure}, earliest)
		w.unsure = errors.Is(err, store.ErrUnknownOutcome) || w.unsure && err != nil
		if err != nil {
			return err
		}
		w.unstored.written(pending)
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
