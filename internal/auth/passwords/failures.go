package passwords

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/hedged"
	"github.com/dockit-registry/dockit/store"
)

// failures are those in the store, or those that it had last while it does not
// answer or not in time, and those that are not in it yet.
func (g *guard) failures(ctx context.Context, b bucket, after, earlier time.Time) ([]store.Failure, error) {
	mark, unchanged := g.cache.Failures(ctx)
	m := g.cleanNames.mark(mark)
	// Before the store is asked: what is written in between is in either.
	uncounted, forgotten := g.unstored.failures(b, after, earlier)
	const (
		attempts = 5 // connections may break while the database answers on others
		timeout  = 4 * time.Second
	)
	reading, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for attempt := 1; g.cache.Unavailable() == nil; attempt++ {
		failures, err := g.read(reading, b, after, earlier)
		if err == nil {
			failures = slices.DeleteFunc(failures, func(f store.Failure) bool { return forgotten[f.Network] })
			all := latestFirst(failures, uncounted)
			g.recent.remember(b, all)
			if len(all) == 0 && unchanged {
				g.cleanNames.remember(b, m)
			}
			return all, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		// It may have gone just now, or be too late to be waited for: a
		// connection that loses every answer to this question may still bring others.
		if reading.Err() != nil || g.cache.Status(ctx).Unavailable != nil {
			break
		}
		if attempt == attempts {
			return nil, fmt.Errorf("%w: %w", cache.ErrUnavailable, err)
		}
	}
	return latestFirst(g.recent.failures(b, after, earlier), uncounted), nil
}

// read asks the store, and again when it takes its time.
func (g *guard) read(ctx context.Context, b bucket, after, earlier time.Time) ([]store.Failure, error) {
	return hedged.Do(ctx, hedged.ReadAgain, func(ctx context.Context) ([]store.Failure, error) {
		return g.stored(ctx, b.name, after, b.network, earlier)
	})
}

// count counts a wrong password: in the store, as long as that takes changes in
// time, and in memory until it does.
func (g *guard) count(ctx context.Context, o Options, b bucket) {
	if b.name == "" {
		return
	}
	// As exactly as it is stored.
	failure := store.Failure{Name: b.name, Network: b.network, At: g.store.Now().UTC().Truncate(time.Microsecond)}
	// Before it is counted and after, so that what is read in between is not
	// taken for the last word.
	g.cleanNames.here.Add(1)
	g.recent.add(failure)
	g.unstored.add(failure)
	g.cleanNames.here.Add(1)
	g.writer.write(ctx, o.keepFailures())
}

// forget forgets the failures of a bucket after a right password.
func (g *guard) forget(ctx context.Context, o Options, b bucket) {
	g.recent.forget(b)
	g.unstored.forget(b)
	g.writer.write(ctx, o.keepFailures())
}

// clear forgets the failures for a name from a network or, without one, from
// everywhere, after they were cleared in the store, and returns how many were only
// here.
func (g *guard) clear(name, network string, inStore func() error) (int64, error) {
	// What is being written would come back.
	g.writer.writing.Lock()
	defer g.writer.writing.Unlock()
	if err := inStore(); err != nil {
		return 0, err
	}
	g.recent.forget(bucket{name, network})
	return g.unstored.clear(name, network), nil
}

// latestFirst puts failures and more of them together. One of those may be among
// the others as well.
func latestFirst(failures, more []store.Failure) []store.Failure {
	if len(more) == 0 {
		return failures
	}
	all := slices.Clone(more)
	twice := counted(more)
	for _, f := range failures {
		if twice[f] > 0 {
			twice[f]--
			continue
		}
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b store.Failure) int { return b.At.Compare(a.At) })
	return all
}

// counted is how often each failure is there.
func counted(failures []store.Failure) map[store.Failure]int {
	counts := make(map[store.Failure]int, len(failures))
	for _, f := range failures {
		counts[f]++
	}
	return counts
}
