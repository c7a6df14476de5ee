package store

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestFailures(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		began := advance(0)
		fail := func(name, network string) Failure {
			t.Helper()
			f := Failure{name, network, advance(time.Minute)}
			if err := s.RecordFailures(t.Context(), FailureChange{New: []Failure{f}}, f.At.Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
			return f
		}
		first, second := fail("alice", "192.0.2.1/32"), fail("alice", "192.0.2.2/32")
		third := fail("alice", "192.0.2.1/32")
		nobody := fail("nobody", "192.0.2.1/32")
		listed := func(name string, after time.Time, want ...Failure) {
			t.Helper()
			if got, err := s.Failures(t.Context(), name, after, "", after); err != nil || !slices.Equal(got, want) {
				t.Errorf("failures of %s: %v, %v; want %v", name, got, err, want)
			}
		}
		listed("alice", began, third, second, first)
		listed("alice", first.At, third, second)
		listed("nobody", began, nobody)
		listed("bob", began)
		if got, err := s.Failures(t.Context(), "alice", second.At, "192.0.2.1/32", began); err != nil || !slices.Equal(got, []Failure{third, first}) {
			t.Errorf("from one network for longer: %v, %v", got, err)
		}

		if all, err := s.RecentFailures(t.Context(), began); err != nil || !slices.Equal(all, []Failure{nobody, third, second, first}) {
			t.Errorf("all failures: %v, %v", all, err)
		}
		forget := func(name, network string) {
			t.Helper()
			if err := s.RecordFailures(t.Context(), FailureChange{Forgotten: []FailurePlace{{name, network}}}, began); err != nil {
				t.Error(err)
			}
		}
		forget("alice", "192.0.2.1/32")
		listed("alice", began, second)
		forget("alice", "192.0.2.2/32")
		listed("alice", began)
		listed("nobody", began, nobody)

		advance(time.Hour)
		late := fail("alice", "192.0.2.1/32")
		listed("nobody", began)
		listed("alice", began, late)
	})
}

// TestJunkHidesNoFailures fills what is read for a listing with names that
// nobody has, and with those that come first in the alphabet.
func TestJunkHidesNoFailures(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		began := advance(0)
		fail := func(name string) Failure {
			t.Helper()
			f := Failure{name, "192.0.2.1/32", advance(time.Minute)}
			if err := s.RecordFailures(t.Context(), FailureChange{New: []Failure{f}}, began); err != nil {
				t.Fatal(err)
			}
			return f
		}
		for range 3 {
			fail("aaa")
		}
		zoe := fail("zoe")
		var junk Failure
		for range 6 {
			junk = fail(UnknownName + "00ff")
		}
		all, err := s.recentFailures(t.Context(), began.Add(-time.Second), 5)
		if err != nil || len(all) != 5 || all[0] != zoe || all[1].Name != "aaa" || all[4] != junk {
			t.Errorf("read %v, %v", all, err)
		}
	})
}

func TestClearLockout(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		at(s)
		create(t, s, "user:alice")
		for _, network := range []string{"192.0.2.1/32", "192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"} {
			if err := s.RecordFailures(t.Context(), FailureChange{New: []Failure{{"alice", network, s.now()}}}, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		entries := len(auditOf(t, s))
		for _, step := range []struct {
			owner, network string
			cleared        int64
			entries        int
			err            error
		}{
			{"user:alice", "192.0.2.1/32", 2, 1, nil},
			{"user:alice", "192.0.2.1/32", 0, 1, nil},
			{"user:alice", "", 2, 2, nil},
			{"user:nobody", "", 0, 2, ErrNotFound},
		} {
			cleared, err := s.ClearLockout(t.Context(), ref(t, step.owner), step.network)
			if cleared != step.cleared || !errors.Is(err, step.err) {
				t.Errorf("clear %s from %q = %d, %v; want %d, %v", step.owner, step.network, cleared, err, step.cleared, step.err)
			}
			if n := len(auditOf(t, s)) - entries; n != step.entries {
				t.Errorf("after %s from %q: %d entries, want %d", step.owner, step.network, n, step.entries)
			}
		}
	})
}
