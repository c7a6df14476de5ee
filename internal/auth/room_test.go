package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// waits makes attempts that wait until the end of the test, and returns how many
// found room.
func (r *room) waits(t *testing.T, from source, attempts int) int {
	t.Helper()
	for i := range attempts {
		at := attempt{from: from}
		copy(at.same[:], fmt.Sprint(from, i))
		_, err := r.enter(t.Context(), at, func(ctx context.Context, _ *visit) (Principal, error) {
			<-ctx.Done()
			return Principal{}, ctx.Err()
		})
		if err != nil {
			return i
		}
	}
	return attempts
}

func TestRoomIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom()
		network := func(known bool, customer, i int) source {
			return source{known, fmt.Sprint(customer), fmt.Sprint(customer, ".", i)}
		}
		if n := r.waits(t, network(false, 0, 0), 1000); n < 32 || n > roomSize/4 {
			t.Errorf("one network gets %d of %d", n, roomSize)
		}
		for i := range 8 {
			if n := r.waits(t, network(false, 0, 1+i), 2); n != 2 {
				t.Errorf("network %d of the same customer gets %d", i, n)
			}
		}
		for i := range 1000 {
			r.waits(t, network(false, 0, 100+i), 1000)
		}
		if n := r.sources[network(false, 0, 0).ofCustomer()]; n > roomSize/3 {
			t.Errorf("one customer with many networks gets %d of %d", n, roomSize)
		}
		// However many come, there is room for the next one for a while, and the
		// number is never exceeded.
		for i := range 12 {
			if n := r.waits(t, network(false, 1+i, 0), 1000); n == 0 {
				t.Errorf("customer %d finds no room", i)
			}
		}
		for i := range 1000 {
			r.waits(t, network(false, 1000+i, 0), 1000)
		}
		if n := len(r.attempts); n > roomSize {
			t.Errorf("%d attempts of %d", n, roomSize)
		}
		// Whoever comes from where somebody logged in before notices nothing.
		if n := r.waits(t, network(true, 5000, 0), 20); n != 20 {
			t.Errorf("a known network gets %d", n)
		}
		time.Sleep(maxCheck)
		synctest.Wait()
		if len(r.attempts)+len(r.sources)+len(r.buckets)+len(r.sharing) > 0 {
			t.Errorf("left behind: %+v", r)
		}
	})
}

// TestSharingIsShared has one network ask the same again and again, on very many
// connections: what another one asks twice at once must find room.
func TestSharingIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom()
		waiting, goAway := context.WithCancel(t.Context())
		var turnedAway sync.Map
		ask := func(from source, password string) {
			at := attempt{from: from}
			copy(at.same[:], from.network+password)
			go func() {
				if _, err := r.attend(waiting, at, func(ctx context.Context, _ *visit) (Principal, error) {
					<-ctx.Done()
					return Principal{}, ctx.Err()
				}); errors.Is(err, ErrBusy) {
					turnedAway.Store(from.network, true)
				}
			}()
		}
		crowd := source{customer: "a", network: "a.1"}
		for i := range 10 {
			for range 200 {
				ask(crowd, fmt.Sprint(i))
			}
		}
		synctest.Wait()
		for i := range 8 {
			for range 10 {
				ask(source{customer: fmt.Sprint("b", i), network: fmt.Sprint("b", i, ".1")}, "secret")
			}
		}
		time.Sleep(2 * turnedAwayFor)
		if _, some := turnedAway.Load(crowd.network); !some {
			t.Error("the crowd had all that it asked for")
		}
		turnedAway.Delete(crowd.network)
		turnedAway.Range(func(network, _ any) bool {
			t.Errorf("%v found no room", network)
			return true
		})
		goAway()
		synctest.Wait()
		if len(r.attempts)+len(r.sources)+len(r.sharing) > 0 {
			t.Errorf("left behind: %+v", r)
		}
	})
}

func TestFewWaitAtOnePlace(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for _, name := range []string{"alice", "nobody"} {
			release := f.occupy()
			results := make(chan error, 1000)
			for range cap(results) {
				go func() { _, err := f.try(name, f.guess(), home); results <- err }()
			}
			synctest.Wait()
			if n := len(f.room.attempts); n > maxInBucket {
				t.Errorf("%s: %d attempts wait", name, n)
			}
			for range cap(results) - maxInBucket {
				var throttled *ThrottledError
				if err := <-results; !errors.As(err, &throttled) {
					t.Fatalf("%s: %v", name, err)
				}
			}
			release()
			for range maxInBucket {
				if err := <-results; !errors.Is(err, ErrInvalidCredentials) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
}

// TestNobodyWorksForWhoIsGone shows that what waits ends with the last request
// for it, and that what is being checked counts all the same.
func TestNobodyWorksForWhoIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		release := f.occupy()
		ctx, cancel := context.WithCancel(f.Context())
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() { _, _ = f.Authenticate(from(ctx, home), fmt.Sprint("user", i%50), f.guess()) })
		}
		synctest.Wait()
		if len(f.room.attempts) == 0 {
			t.Fatal("nothing waits")
		}
		cancel()
		wg.Wait()
		synctest.Wait()
		if n := len(f.room.attempts) + len(f.room.sources) + len(f.guard.turns); n > 0 {
			t.Errorf("%d are left", n)
		}
		release()
		if f.checks() > 0 {
			t.Errorf("%d passwords were checked for nobody", f.checks())
		}
		ctx, cancel = context.WithCancel(f.Context())
		f.while = cancel
		if _, err := f.Authenticate(from(ctx, home), "alice", f.guess()); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		if failures, err := f.store.RecentFailures(f.Context(), time.Now().Add(-time.Hour)); err != nil || len(failures) != 1 {
			t.Errorf("%d failures, %v: going away during the check dodged the count", len(failures), err)
		}
	})
}

// TestCancelledGuessesAreNotFree goes away before an answer, again and again, while a right
// password is remembered: it must not be found faster than by asking.
func TestCancelledGuessesAreNotFree(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 3 { // until no query is needed
			f.accepted("alice", secret, home)
		}
		release := f.occupy()
		for range 20 {
			ctx, cancel := context.WithCancel(f.Context())
			go func() { _, _ = f.Authenticate(from(ctx, home), "alice", f.guess()) }()
			synctest.Wait()
			cancel()
			synctest.Wait()
		}
		right := make(chan error, 1)
		go func() { _, err := f.try("alice", secret, home); right <- err }()
		synctest.Wait()
		select {
		case err := <-right:
			t.Errorf("compared at once, after guesses that were not counted: %v", err)
		default:
		}
		release()
		if err := <-right; err != nil {
			t.Error(err)
		}
		f.accepted("alice", secret, "192.0.2.9") // elsewhere nothing is unsettled
	})
}

// TestGuessesAtOnceAreNotFree has many passwords tried at the same moment while
// the right one is remembered: only as many as are counted may be compared.
func TestGuessesAtOnceAreNotFree(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 3 {
			f.accepted("alice", secret, home)
		}
		var (
			mu   sync.Mutex
			held = map[proof]bool{}
			wg   sync.WaitGroup
		)
		p := bucket{"alice", netip.PrefixFrom(netip.MustParseAddr(home), 32).String()}
		login, err := f.store.Login(f.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			one := f.verified.of(login, fmt.Sprint("guess ", i))
			wg.Go(func() {
				f.unsettled.compare(p, one, func() bool {
					mu.Lock()
					defer mu.Unlock()
					held[one] = true
					return false
				})
			})
		}
		wg.Wait()
		if len(held) != 1 {
			t.Errorf("%d passwords were compared before one was counted", len(held))
		}
	})
}

// TestLookupsAreShared guards that many requests of one source neither look
// anything up all at once, nor keep those of others from it.
func TestLookupsAreShared(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		crowd := source{customer: "a", network: "a.1"}
		for range maxLookups {
			if err := f.lookups.enter(t.Context(), crowd, maxWait); err != nil {
				t.Fatal(err)
			}
		}
		results := make(chan error, 2)
		go func() { _, err := f.try("nobody", f.guess(), home); results <- err }()
		gone, leave := context.WithCancel(t.Context())
		go func() { _, err := f.byPassword(gone, "nobody", "another guess"); results <- err }()
		synctest.Wait()
		if n := len(results) + len(f.room.attempts); n > 0 {
			t.Errorf("%d did not wait for their turn", n)
		}
		leave()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("one that has gone: %v", err)
		}
		f.lookups.leave()
		if err := <-results; !errors.Is(err, ErrInvalidCredentials) {
			t.Errorf("one that had its turn: %v", err)
		}
	})
}

// TestWhoHasGoneIsNotLookedUp guards that a request whose client went away costs
// no query.
func TestWhoHasGoneIsNotLookedUp(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := f.byPassword(gone, "alice", "a wrong password"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
