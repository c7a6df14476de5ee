package auth

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/store"
)

const (
	// maxTurn is how long an attempt waits behind others and for its delay.
	maxTurn = 15 * time.Second
	// freeFailures is how many wrong passwords from one place have no
	// consequence but to be counted: people mistype.
	freeFailures = 3
	// firstDelay is how long the attempt after those waits. Each further
	// failure doubles it, up to maxDelay.
	firstDelay = 250 * time.Millisecond
	maxDelay   = 4 * time.Second
	// pace is the time between two attempts for one name above the ceiling.
	pace = 3 * time.Second
	// maxPaced is how long an attempt above the ceiling waits at most.
	maxPaced = 10 * time.Second
)

// guard stands between a guesser and the passwords. It counts failures in the
// store, where they survive a restart and other nodes see them, or in memory as
// long as the store takes no changes or is away, and lets one attempt at a time
// through for one place, so that none slips through while another is being counted.
type guard struct {
	store *store.Store
	// stored reads the failures for a name, as [store.Store.Failures] does.
	stored    func(ctx context.Context, name string, after time.Time, network string, earlier time.Time) ([]store.Failure, error)
	directory *cache.Cache
	unstored  *unstoredFailures
	writer    *failureWriter
	recent    *recentFailures
	quiets    *cleanNames

	mu sync.Mutex
	// turns are the places with attempts under way.
	turns map[bucket]*turns
	// names are the names with attempts under way, or with a pace.
	names map[string]*namePace
}

// bucket is a name and the address prefix that somebody tries it from. Without
// a name, nothing is guarded.
type bucket struct{ name, network string }

// turns serialises the attempts of one place.
type turns struct {
	taken chan struct{}
	// users are the attempts that have or wait for a turn.
	users int
}

// namePace is what goes on for one name from all networks.
type namePace struct {
	// attempts are those that have their turn.
	attempts int
	// next is when the next attempt above the ceiling may be made.
	next time.Time
}

func newGuard(s *store.Store, d *cache.Cache, logger *zap.Logger) *guard {
	l := newLedger()
	return &guard{
		store: s, stored: s.Failures, directory: d, unstored: l, writer: newFailureWriter(s, d.Unavailable, l, logger), recent: newRecentFailures(),
		quiets: newQuiet(), turns: map[bucket]*turns{}, names: map[string]*namePace{},
	}
}

// record is what a place has done so far.
type record struct {
	// failures and last are those of the place within the window.
	failures int
	last     time.Time
	// lockedUntil is zero for a place that never was locked out.
	lockedUntil time.Time
	// everywhere and lastEverywhere are those for the name from all networks.
	everywhere     int
	lastEverywhere time.Time
}

// recordOf judges the failures for one name, the latest first.
func recordOf(failures []store.Failure, network string, o Options, now time.Time) record {
	var (
		s    record
		here []time.Time // the latest first
	)
	for _, f := range failures {
		if f.Network == network {
			here = append(here, f.At)
		}
		if now.Sub(f.At) >= o.LockoutWindow {
			continue
		}
		if s.everywhere++; s.everywhere == 1 {
			s.lastEverywhere = f.At
		}
		if f.Network != network {
			continue
		}
		if s.failures++; s.failures == 1 {
			s.last = f.At
		}
	}
	// As many as lead to a lockout, close enough to each other: the latest
	// such group counts.
	for i := 0; i+o.LockoutFailures <= len(here); i++ {
		if here[i].Sub(here[i+o.LockoutFailures-1]) < o.LockoutWindow {
			s.lockedUntil = here[i].Add(o.LockoutDuration)
			break
		}
	}
	return s
}

// delay is how long an attempt has to wait after so many failures.
func delay(failures int) time.Duration {
	d := firstDelay
	if failures < freeFailures {
		return 0
	}
	for range failures - freeFailures {
		if d *= 2; d >= maxDelay {
			return maxDelay
		}
	}
	return d
}

func (s record) wait(now time.Time) time.Duration {
	if s.failures < freeFailures {
		return 0
	}
	return max(0, s.last.Add(delay(s.failures)).Sub(now))
}

func (g *guard) standing(ctx context.Context, o Options, p bucket) (record, error) {
	now := g.store.Now()
	window := now.Add(-o.LockoutWindow)
	failures, err := g.failures(ctx, p, window, window.Add(-o.LockoutDuration))
	if err != nil {
		return record{}, err
	}
	s := recordOf(failures, p.network, o, now)
	if s.lockedUntil.After(now) {
		return s, &ThrottledError{RetryAfter: s.lockedUntil.Sub(now)}
	}
	return s, nil
}

// clean reports without a query whether nobody guesses for the name.
func (g *guard) clean(ctx context.Context, p bucket) bool {
	mark, unchanged := g.directory.Failures(ctx)
	if !unchanged || !g.quiets.holds(p, g.quiets.mark(mark)) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.turns[p] == nil // else a guess may be about to be counted
}

// free reports whether an attempt needs no turn of its own as long as it is
// right. A place that is locked out gets a [ThrottledError].
func (g *guard) free(ctx context.Context, o Options, p bucket) (bool, error) {
	if p.name == "" {
		return false, nil
	}
	s, err := g.standing(ctx, o, p)
	if err != nil {
		return false, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.turns[p] == nil && s.everywhere < o.Ceiling && s.wait(g.store.Now()) == 0, nil
}

// turn is the right of one attempt to be checked.
type turn struct {
	// failures are those of the place before the attempt.
	failures int
	leave    func()
}

// enter waits until an attempt may be checked: for others of the same place to
// come to an end, for the delay of the place, and above the ceiling for the
// pace of the name. An attempt that would wait too long gets a
// [ThrottledError].
func (g *guard) enter(ctx context.Context, o Options, p bucket) (turn, error) {
	if p.name == "" {
		return turn{leave: func() {}}, nil
	}
	waiting, cancel := context.WithTimeout(ctx, maxTurn)
	defer cancel()
	leave, err := g.takeTurn(waiting, p)
	if err != nil {
		return turn{}, err
	}
	s, wait, err := g.wait(ctx, o, p)
	if err == nil {
		err = pause(waiting, wait)
	}
	if err != nil {
		leave()
		return turn{}, err
	}
	return turn{failures: s.failures, leave: leave}, nil
}

// takeTurn waits for the attempts of the same place that came before.
func (g *guard) takeTurn(ctx context.Context, p bucket) (leave func(), err error) {
	g.mu.Lock()
	t := g.turns[p]
	if t == nil {
		t = &turns{taken: make(chan struct{}, 1)}
		g.turns[p] = t
	}
	t.users++
	g.mu.Unlock()

	select {
	case t.taken <- struct{}{}:
	case <-ctx.Done():
		g.leaveQueue(p, t)
		return nil, &ThrottledError{RetryAfter: maxDelay}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.nameOf(p.name).attempts++
	return func() {
		<-t.taken
		g.mu.Lock()
		name := g.nameOf(p.name)
		if name.attempts--; name.idle(g.store.Now()) {
			delete(g.names, p.name)
		}
		g.mu.Unlock()
		g.leaveQueue(p, t)
	}, nil
}

func (g *guard) leaveQueue(p bucket, t *turns) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(g.turns, p)
	}
}

// nameOf is called with the lock held.
func (g *guard) nameOf(name string) *namePace {
	n := g.names[name]
	if n == nil {
		const many = 10_000
		if len(g.names) >= many {
			g.forgetIdle(g.store.Now())
		}
		n = &namePace{}
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

func (n *namePace) idle(now time.Time) bool { return n.attempts == 0 && !n.next.After(now) }

// wait is how long an attempt that has its turn still has to wait.
func (g *guard) wait(ctx context.Context, o Options, p bucket) (record, time.Duration, error) {
	s, err := g.standing(ctx, o, p)
	if err != nil {
		return s, 0, err
	}
	paced, err := g.paced(ctx, o, p, s)
	return s, max(s.wait(g.store.Now()), paced), err
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

// paced is how long the attempt waits because there are too many failures for
// its name. That slows everybody down but those who come from where the user
// logged in before: nobody can lock another out from elsewhere.
func (g *guard) paced(ctx context.Context, o Options, p bucket, s record) (time.Duration, error) {
	g.mu.Lock()
	others := g.nameOf(p.name).attempts - 1
	g.mu.Unlock()
	if s.everywhere+others < o.Ceiling {
		return 0, nil
	}
	if g.directory.Unavailable() == nil {
		asking, cancel := context.WithTimeout(ctx, 3*time.Second)
		known, err := g.store.KnowsNetwork(asking, p.name, p.network)
		cancel()
		if err == nil && known {
			return 0, nil
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now, name := g.store.Now(), g.nameOf(p.name)
	// Other nodes keep the pace by the failures that they see of each other.
	at := s.lastEverywhere.Add(pace)
	for _, earliest := range []time.Time{now, name.next} {
		if at.Before(earliest) {
			at = earliest
		}
	}
	wait := at.Sub(now)
	if wait > maxPaced {
		return 0, &ThrottledError{RetryAfter: wait}
	}
	name.next = at.Add(pace)
	return wait, nil
}
