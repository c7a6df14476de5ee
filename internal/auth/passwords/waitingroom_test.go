package passwords

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store"
)

// waits makes attempts that wait until the end of the test, and returns how many
// found room.
func (r *waitingRoom) waits(t *testing.T, from source, attempts int) int {
	t.Helper()
	for i := range attempts {
		at := attempt{from: from}
		copy(at.key[:], fmt.Sprint(from, i))
		_, err := r.enter(t.Context(), at, func(ctx context.Context, _ *sharedAttempt) (store.Login, error) {
			<-ctx.Done()
			return store.Login{}, ctx.Err()
		})
		if err != nil {
			return i
		}
	}
	return attempts
}

func TestRoomIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitingRoom()
		network := func(known bool, customer, i int) source {
			return source{known, fmt.Sprint(customer), fmt.Sprint(customer, ".", i)}
		}
		n := r.waits(t, network(false, 0, 0), 1000)
		assert.GreaterOrEqual(t, n, 32, "one network gets %d of %d", n, roomSize)
		assert.LessOrEqual(t, n, roomSize/4, "one network gets %d of %d", n, roomSize)
		for i := range 8 {
			n := r.waits(t, network(false, 0, 1+i), 2)
			assert.Equal(t, 2, n, "network %d of the same customer gets %d", i, n)
		}
		for i := range 1000 {
			r.waits(t, network(false, 0, 100+i), 1000)
		}
		n = r.sources[network(false, 0, 0).ofCustomer()]
		assert.LessOrEqual(t, n, roomSize/3, "one customer with many networks gets %d of %d", n, roomSize)
		// However many come, there is room for the next one for a while, and the
		// number is never exceeded.
		for i := range 12 {
			assert.NotZero(t, r.waits(t, network(false, 1+i, 0), 1000), "customer %d finds no room", i)
		}
		for i := range 1000 {
			r.waits(t, network(false, 1000+i, 0), 1000)
		}
		n = len(r.attempts)
		assert.LessOrEqual(t, n, roomSize, "%d attempts of %d", n, roomSize)
		// A client in a network that a user logged in from before notices nothing.
		assert.Equal(t, 20, r.waits(t, network(true, 5000, 0), 20), "a known network")
		time.Sleep(maxCheck)
		synctest.Wait()
		assert.LessOrEqual(t, len(r.attempts)+len(r.sources)+len(r.buckets)+len(r.sharing), 0, "left behind: %+v", r)
	})
}

// TestSharingIsShared has one network ask the same again and again, on very many
// connections: what another one asks twice at once must find room.
func TestSharingIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitingRoom()
		waiting, goAway := context.WithCancel(t.Context())
		var turnedAway sync.Map
		ask := func(from source, password string) {
			at := attempt{from: from}
			copy(at.key[:], from.network+password)
			go func() {
				if _, err := r.join(waiting, at, func(ctx context.Context, _ *sharedAttempt) (store.Login, error) {
					<-ctx.Done()
					return store.Login{}, ctx.Err()
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
		_, some := turnedAway.Load(crowd.network)
		assert.True(t, some, "the crowd had all that it asked for")
		turnedAway.Delete(crowd.network)
		turnedAway.Range(func(network, _ any) bool {
			t.Errorf("%v found no room", network)
			return true
		})
		goAway()
		synctest.Wait()
		assert.LessOrEqual(t, len(r.attempts)+len(r.sources)+len(r.sharing), 0, "left behind: %+v", r)
	})
}

func TestFewWaitForOneBucket(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for _, name := range []string{"alice", "nobody"} {
			release := f.occupy()
			results := make(chan error, 1000)
			for range cap(results) {
				go func() { _, err := f.try(name, f.Guess(), home); results <- err }()
			}
			synctest.Wait()
			assert.LessOrEqual(t, len(f.room.attempts), maxInBucket, "%s: attempts wait", name)
			for range cap(results) - maxInBucket {
				var throttled *ThrottledError
				require.ErrorAs(t, <-results, &throttled, name)
			}
			release()
			for range maxInBucket {
				assert.ErrorIs(t, <-results, ErrInvalidCredentials, name)
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
			wg.Go(func() { _, _ = f.Check(ctx, from(home, fmt.Sprint("user", i%50), f.Guess())) })
		}
		synctest.Wait()
		require.NotEmpty(t, f.room.attempts, "nothing waits")
		cancel()
		wg.Wait()
		synctest.Wait()
		assert.LessOrEqual(t, len(f.room.attempts)+len(f.room.sources)+len(f.guard.locks), 0, "are left")
		release()
		assert.LessOrEqual(t, f.Checks(), 0, "passwords were checked for nobody")
		ctx, cancel = context.WithCancel(f.Context())
		f.DuringCheck = cancel
		_, err := f.Check(ctx, from(home, "alice", f.Guess()))
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		failures, err := f.store.RecentFailures(f.Context(), time.Now().Add(-time.Hour))
		require.NoError(t, err, "going away during the check dodged the count")
		assert.Len(t, failures, 1, "going away during the check dodged the count")
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
			go func() { _, _ = f.Check(ctx, from(home, "alice", f.Guess())) }()
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
		require.NoError(t, <-right)
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
			held = map[digest]bool{}
			wg   sync.WaitGroup
		)
		b := bucket{"alice", netip.PrefixFrom(netip.MustParseAddr(home), 32).String()}
		login, err := f.store.Login(f.Context(), "alice")
		require.NoError(t, err)
		for i := range 100 {
			one := f.verified.digestOf(login, fmt.Sprint("guess ", i))
			wg.Go(func() {
				f.unsettled.compare(b, one, func() bool {
					mu.Lock()
					defer mu.Unlock()
					held[one] = true
					return false
				})
			})
		}
		wg.Wait()
		assert.Len(t, held, 1, "passwords were compared before one was counted")
	})
}

// TestLookupsAreShared guards that many requests of one source neither look
// anything up all at once, nor keep those of others from it.
func TestLookupsAreShared(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		crowd := source{customer: "a", network: "a.1"}
		for range maxLookups {
			require.NoError(t, f.lookups.enter(t.Context(), crowd, maxWait))
		}
		results := make(chan error, 2)
		go func() { _, err := f.try("nobody", f.Guess(), home); results <- err }()
		gone, leave := context.WithCancel(t.Context())
		go func() {
			_, err := f.Check(gone, Request{Username: "nobody", Password: "another guess"})
			results <- err
		}()
		synctest.Wait()
		assert.LessOrEqual(t, len(results)+len(f.room.attempts), 0, "did not wait for their turn")
		leave()
		require.ErrorIs(t, <-results, context.Canceled, "one that has gone")
		f.lookups.leave()
		assert.ErrorIs(t, <-results, ErrInvalidCredentials, "one that had its turn")
	})
}

// TestNobodyWaits guards that a password that no request waits for any more is not looked at, and that one that is being looked at is.
func TestNobodyWaits(t *testing.T) {
	r := newWaitingRoom()
	left := new(sharedAttempt)
	assert.False(t, r.begin(left))
	waits := &sharedAttempt{requests: 1}
	assert.True(t, r.begin(waits))
	waits.requests = 0
	assert.True(t, r.begin(waits), "a retry goes on")
}

// TestWhoHasGoneIsNotLookedUp guards that a request whose client went away costs
// no query.
func TestWhoHasGoneIsNotLookedUp(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		gone, leave := context.WithCancel(t.Context())
		leave()
		_, err := f.Check(gone, Request{Username: "alice", Password: "a wrong password"})
		assert.ErrorIs(t, err, context.Canceled)
	})
}
