package store

import (
	"slices"
	"testing"
	"time"
)

func TestFailures(t *testing.T) {
	s := open(t)
	advance := at(s)
	began := advance(0)
	fail := func(name, network string) Failure {
		t.Helper()
		f := Failure{name, network, advance(time.Minute)}
		if err := s.RecordFailure(t.Context(), f, f.At.Add(-time.Hour)); err != nil {
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

	if all, err := s.RecentFailures(t.Context(), began); err != nil || !slices.Equal(all, []Failure{first, second, third, nobody}) {
		t.Errorf("all failures: %v, %v", all, err)
	}
	if n, err := s.ForgetFailures(t.Context(), "alice", "192.0.2.1/32"); err != nil || n != 2 {
		t.Errorf("forgot %d, %v", n, err)
	}
	listed("alice", began, second)
	if n, err := s.ForgetAllFailures(t.Context(), "alice"); err != nil || n != 1 {
		t.Errorf("forgot %d, %v", n, err)
	}
	listed("alice", began)
	listed("nobody", began, nobody)

	advance(time.Hour)
	late := fail("alice", "192.0.2.1/32")
	listed("nobody", began)
	listed("alice", began, late)
}
