package directory

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store"
)

const (
	// pollInterval is how often the marks are read for no request.
	pollInterval = 500 * time.Millisecond
	// freshness is how old the marks may be without being read again first.
	freshness = time.Second
	// patience is how long a request waits for the marks before it makes do
	// with memory.
	patience = 500 * time.Millisecond
	// askTimeout is how long the database may take to answer.
	askTimeout = 4 * time.Second
	// rereadAfter bounds how long anything is taken from memory, in case the
	// database was changed by other hands than Dockit's.
	rereadAfter = time.Minute
)

// knowledge is what is known of the marks.
type knowledge struct {
	marks store.Marks
	// generation is the one of this process before they were read.
	generation int64
	// asked is when they were asked for, without a monotonic clock, which
	// stands still while a machine sleeps.
	asked time.Time
}

// failure is why the database does not answer.
type failure struct {
	err   error
	since time.Time
}

// errLate is returned when the database takes its time.
var errLate = errors.New("the database has not answered yet")

// confirm returns the marks. An error says that they may have changed.
func (d *shared) confirm(ctx context.Context) (*knowledge, error) {
	const attempts = 3 // others may change something all the time
	for range attempts {
		k := d.known.Load()
		if d.fresh(k) {
			return k, nil
		}
		if away := d.failing.Load(); away != nil {
			return k, away.err
		}
		asked := d.asking.DoChan("", func() (any, error) { return nil, d.ask() })
		if d.late.Load() {
			return k, errLate
		}
		timer := time.NewTimer(patience)
		select {
		case answer := <-asked:
			timer.Stop()
			if answer.Err != nil {
				return d.known.Load(), answer.Err
			}
		case <-timer.C:
			d.late.Store(true)
			return k, errLate
		case <-ctx.Done():
			timer.Stop()
			return k, ctx.Err()
		}
	}
	return d.known.Load(), nil
}

func (d *shared) fresh(k *knowledge) bool {
	age := time.Now().Round(0).Sub(k.asked)
	return k.generation == d.source.Generation() && -freshness < age && age < freshness
}

// holds reports whether what was read at a time is still true, or may be taken
// for true because nobody can be asked.
func (d *Directory) holds(s stamp, k *knowledge, unconfirmed error) bool {
	if s.revision != k.marks.Revision || k.generation != d.source.Generation() {
		return false
	}
	if unconfirmed == nil {
		age := time.Now().Round(0).Sub(s.read)
		return -rereadAfter < age && age < rereadAfter
	}
	age := time.Now().Round(0).Sub(k.asked)
	return -freshness < age && age < d.serveStale
}

// ask reads the marks.
func (d *shared) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	k := &knowledge{generation: d.source.Generation(), asked: time.Now().Round(0)}
	marks, err := d.source.Marks(ctx)
	if err != nil {
		if d.failing.Load() == nil {
			d.failing.Store(&failure{err, k.asked})
			d.logger.Error("the database does not answer: tokens are issued from memory, changes are refused", zap.Error(err), zap.String("remedy", store.Remedy(err)))
		}
		return err
	}
	k.marks = marks
	before := d.known.Swap(k)
	d.late.Store(false)
	if away := d.failing.Swap(nil); away != nil {
		d.logger.Info("the database answers again", zap.Duration("after", time.Since(away.since)))
	}
	if before.marks.Revision != marks.Revision {
		select {
		case d.changed <- struct{}{}:
		default:
		}
	}
	return nil
}

// follow keeps the marks fresh, so that requests need not ask for them, and
// finds out when the database answers again.
func (d *shared) follow(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_, _, _ = d.asking.Do("", func() (any, error) { return nil, d.ask() })
		}
	}
}
