package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFailures(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		began := advance(0)
		fail := func(name, network string) Failure {
			t.Helper()
			f := Failure{name, network, advance(time.Minute)}
			require.NoError(t, s.RecordFailures(t.Context(), FailureChange{New: []Failure{f}}, f.At.Add(-time.Hour)))
			return f
		}
		first, second := fail("alice", "192.0.2.1/32"), fail("alice", "192.0.2.2/32")
		third := fail("alice", "192.0.2.1/32")
		nobody := fail("nobody", "192.0.2.1/32")
		listed := func(name string, after time.Time, want ...Failure) {
			t.Helper()
			got, err := s.Failures(t.Context(), name, after, "", after)
			require.NoError(t, err, "failures of %s", name)
			assert.Equal(t, want, got, "failures of %s", name)
		}
		listed("alice", began, third, second, first)
		listed("alice", first.At, third, second)
		listed("nobody", began, nobody)
		listed("bob", began)
		got, err := s.Failures(t.Context(), "alice", second.At, "192.0.2.1/32", began)
		require.NoError(t, err, "from one network for longer")
		assert.Equal(t, []Failure{third, first}, got, "from one network for longer")

		all, err := s.RecentFailures(t.Context(), began)
		require.NoError(t, err, "all failures")
		assert.Equal(t, []Failure{nobody, third, second, first}, all, "all failures")
		forget := func(name, network string) {
			t.Helper()
			assert.NoError(t, s.RecordFailures(t.Context(), FailureChange{Forgotten: []FailurePlace{{name, network}}}, began))
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

// TestJunkHidesNoFailures fills what is read for a listing with names of
// no subject, and with those that come first in the alphabet.
func TestJunkHidesNoFailures(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		began := advance(0)
		fail := func(name string) Failure {
			t.Helper()
			f := Failure{name, "192.0.2.1/32", advance(time.Minute)}
			require.NoError(t, s.RecordFailures(t.Context(), FailureChange{New: []Failure{f}}, began))
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
		require.NoError(t, err)
		require.Len(t, all, 5)
		assert.Equal(t, zoe, all[0])
		assert.Equal(t, "aaa", all[1].Name)
		assert.Equal(t, junk, all[4])
	})
}

func TestClearLockout(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		at(s)
		create(t, s, "user:alice")
		for _, network := range []string{"192.0.2.1/32", "192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"} {
			require.NoError(t, s.RecordFailures(t.Context(), FailureChange{New: []Failure{{"alice", network, s.now()}}}, time.Time{}))
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
			assert.Equal(t, step.cleared, cleared, "clear %s from %q", step.owner, step.network)
			require.ErrorIs(t, err, step.err, "clear %s from %q = %d", step.owner, step.network, cleared)
			assert.Equal(t, step.entries, len(auditOf(t, s))-entries, "after %s from %q", step.owner, step.network)
		}
	})
}
