package passwords

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/store"
)

const (
	// maxGuardWait is how long an attempt waits behind others and for its delay.
	maxGuardWait = 15 * time.Second
	// ceilingInterval is the time between two attempts for one name above the ceiling.
	ceilingInterval = 3 * time.Second
	// maxCeilingWait is how long an attempt above the ceiling waits at most.
	maxCeilingWait = 10 * time.Second
)

// guard stands between a guesser and the passwords. It counts failures in the
// store, where they survive a restart and other nodes see them, or in memory as
// long as the store takes no changes or does not answer, and lets one attempt at a time
// through for a bucket, so that none slips through while another is being counted.
type guard struct {
	store *store.Store
	// stored reads the failures for a name, as [store.Store.Failures] does.
	stored     func(ctx context.Context, name string, after time.Time, network string, earlier time.Time) ([]store.Failure, error)
	cache      *cache.Cache
	unstored   *unstoredFailures
	writer     *failureWriter
	recent     *recentFailures
	cleanNames *cleanNames

	mu sync.Mutex
	// locks are those of the buckets with attempts under way.
	locks map[bucket]*bucketLock
	// names are the names with attempts under way, or above the ceiling.
	names map[string]*nameAttempts
}

// bucket is a name and the address prefix that it is tried from, for which wrong
// passwords are counted together. Without a name, nothing is guarded.
type bucket struct{ name, network string }

// bucketLock serialises the attempts of one bucket.
type bucketLock struct {
	held chan struct{}
	// users are the attempts that hold or wait for it.
	users int
}

// nameAttempts are those for one name from all networks.
type nameAttempts struct {
	// attempts is how many have their turn.
	attempts int
	// next is when the next attempt above the ceiling may be made.
	next time.Time
}

func newGuard(s *store.Store, d *cache.Cache, logger *zap.Logger) *guard {
	unstored := newUnstoredFailures()
	return &guard{
		store: s, stored: s.Failures, cache: d, unstored: unstored, writer: newFailureWriter(s, d.Unavailable, unstored, logger), recent: newRecentFailures(),
		cleanNames: newCleanNames(), locks: map[bucket]*bucketLock{}, names: map[string]*nameAttempts{},
	}
}

// record reads the failures for the name of a bucket. One that is locked out gets a
// [ThrottledError].
func (g *guard) record(ctx context.Context, o Options, b bucket) (record, error) {
	now := g.store.Now()
	window := now.Add(-o.LockoutWindow)
	failures, err := g.failures(ctx, b, window, window.Add(-o.LockoutDuration))
	if err != nil {
		return record{}, err
	}
	r := recordOf(failures, b.network, o, now)
	if r.lockedUntil.After(now) {
		return r, &ThrottledError{RetryAfter: r.lockedUntil.Sub(now)}
	}
	return r, nil
}

// clean reports without a query that no wrong password is counted for the name.
func (g *guard) clean(ctx context.Context, b bucket) bool {
	mark, unchanged := g.cache.Failures(ctx)
	if !unchanged || !g.cleanNames.holds(b, g.cleanNames.mark(mark)) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.locks[b] == nil // else a guess may be about to be counted
}

// free reports whether an attempt needs no turn of its own as long as it is
// right. A bucket that is locked out gets a [ThrottledError].
func (g *guard) free(ctx context.Context, o Options, b bucket) (bool, error) {
	if b.name == "" {
		return false, nil
	}
	r, err := g.record(ctx, o, b)
	if err != nil {
		return false, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.locks[b] == nil && r.everywhere < o.Ceiling && r.wait(g.store.Now()) == 0, nil
}

// turn is the right of one attempt to be checked.
type turn struct {
	// failures are those of the bucket before the attempt.
	failures int
	leave    func()
}

// enter waits until an attempt may be checked: for others of the same bucket to
// come to an end, for the delay of the bucket, and above the ceiling for the
// interval of the name. An attempt that would wait too long gets a
// [ThrottledError].
func (g *guard) enter(ctx context.Context, o Options, b bucket) (turn, error) {
	if b.name == "" {
		return turn{leave: func() {}}, nil
	}
	waiting, cancel := context.WithTimeout(ctx, maxGuardWait)
	defer cancel()
	leave, err := g.lockBucket(waiting, b)
	if err != nil {
		return turn{}, err
	}
	r, wait, err := g.wait(ctx, o, b)
	if err == nil {
		err = pause(waiting, wait)
	}
	if err != nil {
		leave()
		return turn{}, err
	}
	return turn{failures: r.failures, leave: leave}, nil
}

// lockBucket waits for the attempts of the same bucket that came before.
func (g *guard) lockBucket(ctx context.Context, b bucket) (leave func(), err error) {
	g.mu.Lock()
	l := g.locks[b]
	if l == nil {
		l = &bucketLock{held: make(chan struct{}, 1)}
		g.locks[b] = l
	}
	l.users++
	g.mu.Unlock()

	select {
	case l.held <- struct{}{}:
	case <-ctx.Done():
		g.releaseLock(b, l)
		return nil, &ThrottledError{RetryAfter: maxDelay}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.attemptsOf(b.name).attempts++
	return func() {
		<-l.held
		g.mu.Lock()
		name := g.attemptsOf(b.name)
		if name.attempts--; name.idle(g.store.Now()) {
			delete(g.names, b.name)
		}
		g.mu.Unlock()
		g.releaseLock(b, l)
	}, nil
}

func (g *guard) releaseLock(b bucket, l *bucketLock) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(g.locks, b)
	}
}

// attemptsOf is called with the lock held.
func (g *guard) attemptsOf(name string) *nameAttempts {
	n := g.names[name]
	if n == nil {
		const many = 10_000
		if len(g.names) >= many {
			g.forgetIdle(g.store.Now())
		}
		n = &nameAttempts{}
		g.names[name] = n
	}
	return n
}

func (g *guard) forgetIdle(now time.Time) {
	for name, n := range g.names {
		if n.idle(now) {
			delete(g.names, name)
		}
	}
}

func (n *nameAttempts) idle(now time.Time) bool { return n.attempts == 0 && !n.next.After(now) }

// wait is how long an attempt that has its turn still has to wait.
func (g *guard) wait(ctx context.Context, o Options, b bucket) (record, time.Duration, error) {
	r, err := g.record(ctx, o, b)
	if err != nil {
		return r, 0, err
	}
	slowed, err := g.ceilingWait(ctx, o, b, r)
	return r, max(r.wait(g.store.Now()), slowed), err
}

func pause(ctx context.Context, wait time.Duration) error {
	if wait == 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &ThrottledError{RetryAfter: wait}
	}
}

// ceilingWait is how long the attempt waits because there are too many failures
// for its name. Clients in networks that the user logged in from before are not
// slowed down: a guesser elsewhere cannot lock the user out.
func (g *guard) ceilingWait(ctx context.Context, o Options, b bucket, r record) (time.Duration, error) {
	g.mu.Lock()
	others := g.attemptsOf(b.name).attempts - 1
	g.mu.Unlock()
	if r.everywhere+others < o.Ceiling {
		return 0, nil
	}
	if g.cache.Unavailable() == nil {
		asking, cancel := context.WithTimeout(ctx, 3*time.Second)
		known, err := g.store.KnowsNetwork(asking, b.name, b.network)
		cancel()
		if err == nil && known {
			return 0, nil
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now, name := g.store.Now(), g.attemptsOf(b.name)
	// Nodes keep the interval among them by the failures that each sees of the others.
	at := r.lastEverywhere.Add(ceilingInterval)
	for _, earliest := range []time.Time{now, name.next} {
		if at.Before(earliest) {
			at = earliest
		}
	}
	wait := at.Sub(now)
	if wait > maxCeilingWait {
		return 0, &ThrottledError{RetryAfter: wait}
	}
	name.next = at.Add(ceilingInterval)
	return wait, nil
}
