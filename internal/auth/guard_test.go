package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

func TestStandingOf(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	o := Options{LockoutFailures: 3}.withDefaults()
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
			if got := recordOf(tc.failures, "here", o, now); got != tc.want {
				t.Fatalf("standing\n%+v, want\n%+v", got, tc.want)
			}
		})
	}
}

func TestLockout(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for i := range 10 {
			f.refused("alice", fmt.Sprint("wrong ", i), home)
		}
		if wait := f.throttled("alice", secret, home); wait > 15*time.Minute || wait < 14*time.Minute {
			t.Errorf("locked out for %s", wait)
		}
		// Nobody is locked out from elsewhere, and nobody else from there.
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
			if wait := f.throttled(name, secret, home); wait > 15*time.Minute || wait < 14*time.Minute {
				t.Errorf("%s is locked out for %s", name, wait)
			}
		}
		// What is no name, such as a password typed into the wrong field, is
		// not counted, and no name of nobody is kept.
		for range 20 {
			f.guessed("Hunter 2", home)
		}
		failures, err := f.store.RecentFailures(f.Context(), time.Now().Add(-time.Hour))
		if err != nil || len(failures) != 20 {
			t.Fatalf("%d failures, %v", len(failures), err)
		}
		for _, failure := range failures {
			if failure.Name == "nobody" {
				t.Fatal("the name of nobody is kept")
			}
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
		if want := []int64{0, 0, 0, 250, 500, 1000, 2000, 4000, 4000, 4000}; !slices.Equal(delays, want) {
			t.Fatalf("delays %v, want %v", delays, want)
		}
		if d := took(func() { f.throttled("alice", "wrong", home) }); d != 0 {
			t.Errorf("a place that is locked out waits %s", d)
		}
	})
}

func TestRightPasswordForgetsFailures(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 9 {
			f.guessed("alice", home)
			f.guessed("alice", "192.0.2.2")
		}
		f.accepted("alice", secret, home)
		if d := took(func() { f.guessed("alice", home) }); d != 0 {
			t.Errorf("after a right password a wrong one waits %s", d)
		}
		// Those from elsewhere still count.
		f.guessed("alice", "192.0.2.2")
		f.throttled("alice", secret, "192.0.2.2")
	})
}

func TestGuessesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		// What is remembered must be no way around the lockout either.
		f.accepted("alice", secret, home)
		before := f.checks()
		var (
			wg      sync.WaitGroup
			guesses = 300
			errs    = make([]error, guesses)
		)
		for i := range guesses {
			wg.Go(func() { _, errs[i] = f.try("alice", fmt.Sprint("wrong ", i), home) })
		}
		wg.Wait()
		if checked := f.checks() - before; checked > 10 {
			t.Errorf("%d guesses were checked", checked)
		}
		for _, err := range errs {
			if !errors.Is(err, ErrInvalidCredentials) {
				t.Fatal(err)
			}
		}
		for f.throttledOrRefused("alice", f.guess(), home) {
		}
		f.throttled("alice", secret, home)
	})
}

// throttledOrRefused reports whether a wrong password was looked at.
func (f *fixture) throttledOrRefused(name, pw, address string) bool {
	f.Helper()
	_, err := f.try(name, pw, address)
	var throttled *ThrottledError
	if !errors.Is(err, ErrInvalidCredentials) {
		f.Fatal(err)
	}
	return !errors.As(err, &throttled)
}

func TestLockoutSurvivesRestart(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 9 {
			f.guessed("alice", home)
		}
		f.Authenticator = f.node()
		f.guessed("alice", home)
		f.Authenticator = f.node()
		f.throttled("alice", secret, home)
	})
}

func TestNodesShareFailures(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		nodes := []*Authenticator{f.Authenticator, f.node(), f.node()}
		for i := range 10 {
			f.Authenticator = nodes[i%len(nodes)]
			f.guessed("alice", home)
		}
		for _, f.Authenticator = range nodes {
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
		f.uses.record(f.Context())
		time.Sleep(2 * time.Minute)
		for i := range 20 {
			if d := took(func() { f.guessed("alice", elsewhere(i)) }); d != 0 {
				t.Fatalf("guess %d waits %s", i, d)
			}
		}
		for i := range 5 {
			if d := took(func() { f.guessed("alice", elsewhere(100+i)) }); d != 3*time.Second {
				t.Errorf("guess %d above the ceiling waits %s", i, d)
			}
		}
		// Who comes from where she logged in before notices nothing.
		if d := took(func() { f.accepted("alice", secret, home) }); d != 0 {
			t.Errorf("alice at home waits %s", d)
		}
		if d := took(func() { f.accepted("bob", secret, home) }); d != 0 {
			t.Errorf("bob waits %s", d)
		}
		// From elsewhere she is slowed down, and not locked out.
		if d := took(func() { f.accepted("alice", secret, "198.51.100.1") }); d == 0 || d > 10*time.Second {
			t.Errorf("alice elsewhere waits %s", d)
		}
		time.Sleep(15 * time.Minute)
		if d := took(func() { f.guessed("alice", "198.51.100.2") }); d != 0 {
			t.Errorf("after the attack a wrong password waits %s", d)
		}
	})
}

func TestCeilingHolds(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{Ceiling: 20})
		second := f.node()
		nodes := []*Authenticator{f.Authenticator, second}
		var err error
		if nodes[1], err = second.With(Options{Ceiling: 20}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 400 {
			wg.Go(func() {
				ctx := from(f.Context(), elsewhere(i))
				if _, err := nodes[i%2].Authenticate(ctx, "alice", fmt.Sprint("wrong ", i)); !errors.Is(err, ErrInvalidCredentials) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		// Each node lets some pass by what it knows by itself: its share of the
		// ceiling, and what the pace allows in the time that a guess waits.
		if checked := f.checks(); checked > 2*(20+5) {
			t.Errorf("%d of 400 guesses were checked at once", checked)
		}
	})
}

func TestTokensAreNotDelayed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{Ceiling: 5, RefreshTokens: true})
		access, err := f.newToken(TokenRequest{Owner: subject.Ref{Kind: subject.User, Name: "alice"}, Name: "laptop"})
		if err != nil {
			t.Fatal(err)
		}
		refresh, err := f.IssueRefreshToken(from(f.Context(), home), f.accepted("alice", secret, home), "registry.example.com")
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			f.guessed("alice", home)
		}
		f.throttled("alice", secret, home)
		before := f.checks()
		for name, token := range map[string]string{"access token": access, "refresh token": refresh} {
			if d := took(func() { f.accepted("alice", token, home) }); d != 0 {
				t.Errorf("the %s waits %s", name, d)
			}
		}
		// A right token does not open the door for passwords either.
		f.throttled("alice", secret, home)
		if f.checks() != before {
			t.Error("a token was checked like a password")
		}
	})
}
