package cache

import (
	"context"
	"fmt"
	"time"
)

// Status is what a Cache can answer.
type Status struct {
	// Unavailable is why the database does not answer, or nil.
	Unavailable error
	// Recalls is set while what is in memory is still taken for true.
	Recalls bool
	// Until is when that ends.
	Until time.Time
}

// Status asks the database. It waits for that as shortly as requests do.
func (d *Cache) Status(ctx context.Context) Status {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	asked := d.asking.DoChan("", func() (any, error) { return nil, d.ask() })
	var err error
	select {
	case answer := <-asked:
		err = answer.Err
	case <-waiting.Done():
		err = errLate
	}
	k := d.known.Load()
	if err == nil {
		return Status{Recalls: true}
	}
	until := k.asked.Shown().Add(d.serveStale)
	return Status{Unavailable: err, Until: until, Recalls: k.asked.Age() < d.serveStale}
}

// Unavailable says why the database does not answer, as far as is known without
// asking it.
func (d *shared) Unavailable() error {
	if away := d.failing.Load(); away != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, away.err)
	}
	return nil
}

// Failures is the mark of the wrong passwords. It returns false when that may
// have changed.
func (d *shared) Failures(ctx context.Context) (int64, bool) {
	k, err := d.confirm(ctx)
	return k.marks.Failures, err == nil
}
