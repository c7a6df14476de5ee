package passwords

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store"
)

func TestRecordOf(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	o := Options{LockoutFailures: 3}.WithDefaults()
	ago := func(network string, minutes ...int) []store.Failure {
		var failures []store.Failure
		for _, m := range minutes {
			failures = append(failures, store.Failure{Name: "alice", Network: network, At: now.Add(-time.Duration(m) * time.Minute)})
		}
		return failures
	}
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	for _, tc := range []struct {
		name     string
		failures []store.Failure
		want     record
	}{
		{"nothing", nil, record{}},
		{"one", ago("here", 2), record{failures: 1, last: at(-2), everywhere: 1, lastEverywhere: at(-2)}},
		{"elsewhere", ago("there", 2, 3, 4), record{everywhere: 3, lastEverywhere: at(-2)}},
		{"three", ago("here", 2, 3, 4), record{3, at(-2), at(13), 3, at(-2)}},
		{"three, too far apart", ago("here", 2, 3, 17), record{failures: 2, last: at(-2), everywhere: 2, lastEverywhere: at(-2)}},
		{"three in reach of each other, one of them old", ago("here", 5, 12, 19), record{2, at(-5), at(10), 2, at(-5)}},
		{"three long ago", ago("here", 16, 17, 18), record{lockedUntil: at(-1)}},
		{"two here and one there", append(ago("here", 1, 2), ago("there", 3)...), record{failures: 2, last: at(-1), everywhere: 3, lastEverywhere: at(-1)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, recordOf(tc.failures, "here", o, now), "standing")
		})
	}
}

func TestLockout(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for i := range 10 {
			f.refused("alice", fmt.Sprint("wrong ", i), home)
		}
		wait := f.throttled("alice", secret, home)
		assert.LessOrEqual(t, wait, 15*time.Minute)
		assert.GreaterOrEqual(t, wait, 14*time.Minute)
		// The user is not locked out elsewhere, nor another user there.
		f.accepted("alice", secret, "192.0.2.2")
		f.accepted("bob", secret, home)

		time.Sleep(15*time.Minute - time.Second)
		f.throttled("alice", secret, home)
		time.Sleep(time.Second)
		f.accepted("alice", secret, home)
	})
}

func TestLockoutOfNobody(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for _, name := range []string{"nobody", "bob"} {
			for range 10 {
				f.guessed(name, home)
			}
			wait := f.throttled(name, secret, home)
			assert.LessOrEqual(t, wait, 15*time.Minute, "%s is locked out for %s", name, wait)
			assert.GreaterOrEqual(t, wait, 14*time.Minute, "%s is locked out for %s", name, wait)
		}
		// What is no name, such as a password typed into the wrong field, is
		// not counted, and no unknown name is kept.
		for range 20 {
			f.guessed("Hunter 2", home)
		}
		failures, err := f.store.RecentFailures(f.Context(), time.Now().Add(-time.Hour))
		require.NoError(t, err)
		require.Len(t, failures, 20)
		for _, failure := range failures {
			require.NotEqual(t, "nobody", failure.Name, "the name of nobody is kept")
		}
	})
}

func TestLockoutByNetwork(t *testing.T) {
	for _, tc := range []struct {
		name, guesses, then string
		locked              bool
	}{
		{"IPv4", "192.0.2.1", "192.0.2.2", false},
		{"IPv4 in IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"same 64 bits", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"other 64 bits", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"zone", "fe80::1%eth0", "fe80::2%eth1", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				for range 10 {
					f.guessed("alice", tc.guesses)
				}
				if tc.locked {
					f.throttled("alice", secret, tc.then)
				} else {
					f.accepted("alice", secret, tc.then)
				}
			})
		})
	}
}

func TestGrowingDelay(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		var delays []int64 // in milliseconds
		for range 10 {
			delays = append(delays, took(func() { f.guessed("alice", home) }).Milliseconds())
		}
		require.Equal(t, []int64{0, 0, 0, 250, 500, 1000, 2000, 4000, 4000, 4000}, delays)
		assert.Zero(t, took(func() { f.throttled("alice", "wrong", home) }), "a place that is locked out waits")
	})
}

func TestRightPasswordForgetsFailures(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 9 {
			f.guessed("alice", home)
			f.guessed("alice", "192.0.2.2")
		}
		f.accepted("alice", secret, home)
		assert.Zero(t, took(func() { f.guessed("alice", home) }), "after a right password a wrong one waits")
		// Those from elsewhere still count.
		f.guessed("alice", "192.0.2.2")
		f.throttled("alice", secret, "192.0.2.2")
	})
}

func TestGuessesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		// What is remembered must be no way around the lockout either.
		f.accepted("alice", secret, home)
		before := f.Checks()
		var (
			wg      sync.WaitGroup
			guesses = 300
			errs    = make([]error, guesses)
		)
		for i := range guesses {
			wg.Go(func() { _, errs[i] = f.try("alice", fmt.Sprint("wrong ", i), home) })
		}
		wg.Wait()
		assert.LessOrEqual(t, f.Checks()-before, 10, "guesses were checked")
		for _, err := range errs {
			require.ErrorIs(t, err, ErrInvalidCredentials)
		}
		for f.throttledOrRefused("alice", f.Guess(), home) {
		}
		f.throttled("alice", secret, home)
	})
}

// throttledOrRefused reports whether a wrong password was looked at.
func (f *fixture) throttledOrRefused(name, pw, address string) bool {
	f.Helper()
	_, err := f.try(name, pw, address)
	var throttled *ThrottledError
	require.ErrorIs(f, err, ErrInvalidCredentials)
	return !errors.As(err, &throttled)
}

func TestLockoutSurvivesRestart(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 9 {
			f.guessed("alice", home)
		}
		f.Checker = f.node()
		f.guessed("alice", home)
		f.Checker = f.node()
		f.throttled("alice", secret, home)
	})
}

func TestNodesShareFailures(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		nodes := []*Checker{f.Checker, f.node(), f.node()}
		for i := range 10 {
			f.Checker = nodes[i%len(nodes)]
			f.guessed("alice", home)
		}
		for _, f.Checker = range nodes {
			f.throttled("alice", secret, home)
		}
	})
}

// elsewhere is the address of the i-th of many guessers.
func elsewhere(i int) string {
	return netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}).String()
}

func TestCeilingSlows(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{Ceiling: 20})
		f.accepted("alice", secret, home)
		f.record()
		time.Sleep(2 * time.Minute)
		for i := range 20 {
			d := took(func() { f.guessed("alice", elsewhere(i)) })
			require.Zero(t, d, "guess %d waits %s", i, d)
		}
		for i := range 5 {
			d := took(func() { f.guessed("alice", elsewhere(100+i)) })
			assert.Equal(t, 3*time.Second, d, "guess %d above the ceiling waits %s", i, d)
		}
		// A client in a network that she logged in from before notices nothing.
		assert.Zero(t, took(func() { f.accepted("alice", secret, home) }), "alice at home waits")
		assert.Zero(t, took(func() { f.accepted("bob", secret, home) }), "bob waits")
		// From elsewhere she is slowed down, and not locked out.
		d := took(func() { f.accepted("alice", secret, "198.51.100.1") })
		assert.NotZero(t, d)
		assert.LessOrEqual(t, d, 10*time.Second)
		time.Sleep(15 * time.Minute)
		assert.Zero(t, took(func() { f.guessed("alice", "198.51.100.2") }), "after the attack a wrong password waits")
	})
}

func TestCeilingHolds(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{Ceiling: 20})
		second := f.node()
		nodes := []*Checker{f.Checker, second}
		var err error
		nodes[1], err = second.With(second.cache, Options{Ceiling: 20})
		require.NoError(t, err)
		var wg sync.WaitGroup
		for i := range 400 {
			wg.Go(func() {
				r := from(elsewhere(i), "alice", fmt.Sprint("wrong ", i))
				_, err := nodes[i%2].Check(f.Context(), r)
				assert.ErrorIs(t, err, ErrInvalidCredentials)
			})
		}
		wg.Wait()
		// Each node lets some pass by what it knows by itself: its share of the
		// ceiling, and what the pace allows in the time that a guess waits.
		assert.LessOrEqual(t, f.Checks(), 2*(20+5), "of 400 guesses were checked at once")
	})
}
