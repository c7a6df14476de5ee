package auth

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestLockoutIsLogged(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		core, logs := observer.New(zap.WarnLevel)
		f.logger = zap.New(core)
		for i := range f.Options().LockoutFailures {
			if logs.Len() > 0 {
				t.Fatalf("after %d wrong passwords: %v", i, logs.All())
			}
			f.refused("alice", fmt.Sprint("planted", i), home)
			f.refused("planted-name", fmt.Sprint("planted", i), home)
		}
		lines := logs.All()
		if len(lines) != 2 {
			t.Fatalf("%d lines: %v", len(lines), lines)
		}
		if got := lines[0].ContextMap(); got["subject"] != "alice" || got["client_network"] != home+"/32" || got["failures"] != int64(10) {
			t.Errorf("logged %v", got)
		}
		if text := fmt.Sprint(lines); strings.Contains(text, "planted") {
			t.Errorf("what may be a password is in the log: %s", text)
		}
		f.throttled("alice", "another", home)
		if logs.Len() != 2 {
			t.Error("told again of the same lockout")
		}
	})
}

func TestLockouts(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{LockoutFailures: 3, LockoutDuration: time.Hour})
		began := time.Now().UTC()
		f.guessed("bob", home)
		time.Sleep(time.Minute)
		for range 3 {
			f.guessed("alice", home)
		}
		last := time.Now().UTC()
		time.Sleep(time.Minute)
		f.guessed("alice", "2001:db8::1")
		time.Sleep(time.Minute)
		f.guessed("nobody", home)
		listed := func(want ...Lockout) {
			t.Helper()
			if got, err := f.Lockouts(t.Context()); err != nil || !slices.Equal(got, want) {
				t.Errorf("listed\n%+v, %v, want\n%+v", got, err, want)
			}
		}
		alice := Lockout{Username: "alice", Network: "192.0.2.1/32", Failures: 3, Last: last, Until: last.Add(time.Hour)}
		listed(
			Lockout{Network: "192.0.2.1/32", Failures: 1, Last: last.Add(2 * time.Minute)},
			Lockout{Username: "alice", Network: "2001:db8::/64", Failures: 1, Last: last.Add(time.Minute)},
			alice,
			Lockout{Username: "bob", Network: "192.0.2.1/32", Failures: 1, Last: began},
		)
		time.Sleep(20 * time.Minute)
		alice.Failures = 0
		listed(alice)
		f.throttled("alice", secret, home)
		if n, err := f.store.ClearLockout(t.Context(), aliceRef, alice.Network); err != nil || n != 3 {
			t.Fatalf("cleared %d, %v", n, err)
		}
		listed()
		f.accepted("alice", secret, home)
	})
}
