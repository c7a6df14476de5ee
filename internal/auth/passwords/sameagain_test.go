package passwords

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store"
)

// TestStalePasswordCountsOnce is what docker does with an old password in its
// config.json: it asks for a token for every layer of every push, by POST and by
// GET.
func TestStalePasswordCountsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.CheckTakes = 30 * time.Millisecond
		for _, name := range []string{"alice", "nobody"} {
			before := f.Checks()
			first := took(func() { f.refused(name, "the old password", home) })
			for range 3 * 12 * 2 {
				d := took(func() { f.refused(name, "the old password", home) })
				require.GreaterOrEqual(t, d, first, "%s: refused again after %s, at first after %s", name, d, first)
				time.Sleep(time.Second)
			}
			n := f.Checks() - before
			assert.Equal(t, 1, n, "%s: checked %d times", name, n)
		}
		assert.Equal(t, 2, f.Failures(), "failures are counted")
		f.accepted("alice", secret, home)
	})
}

func TestSameWrongPasswordCountsAgain(t *testing.T) {
	yes, no := true, false
	for _, tc := range []struct {
		name   string
		before func(f *fixture)
		pw     string
		from   string
	}{
		{"another password", func(*fixture) {}, "also wrong", home},
		{"another network", func(*fixture) {}, "wrong", "192.0.2.2"},
		{"after the window", func(*fixture) { time.Sleep(15 * time.Minute) }, "wrong", home},
		{"at another node", func(f *fixture) { f.Checker = f.node() }, "wrong", home},
		{"after another password was set", func(f *fixture) {
			hash := f.Hash("another password")
			f.Change("alice", store.SubjectChange{PasswordHash: &hash})
		}, "wrong", home},
		{"after the user was disabled and enabled, and another password set", func(f *fixture) {
			hash := f.Hash("another password")
			f.Change("alice", store.SubjectChange{Disabled: &yes})
			f.Change("alice", store.SubjectChange{Disabled: &no, PasswordHash: &hash})
		}, "wrong", home},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.refused("alice", "wrong", home)
				tc.before(f)
				before := f.Failures()
				f.refused("alice", tc.pw, tc.from)
				n := f.Failures() - before
				assert.Equal(t, 1, n, "counted %d times", n)
			})
		})
	}
}

// TestWrongPasswordMayBecomeRight shows that what is remembered of a wrong
// password never refuses one that is right.
func TestWrongPasswordMayBecomeRight(t *testing.T) {
	yes, no := true, false
	for name, tc := range map[string]struct {
		username, pw string
		before       func(f *fixture)
		becomes      func(f *fixture)
	}{
		"set as the password": {"alice", "another password", func(*fixture) {}, func(f *fixture) {
			hash := f.Hash("another password")
			f.Change("alice", store.SubjectChange{PasswordHash: &hash})
		}},
		"set for a new user": {"carol", "her password", func(*fixture) {}, func(f *fixture) { f.User("carol", "her password") }},
		"enabled": {
			"alice", secret, func(f *fixture) { f.Change("alice", store.SubjectChange{Disabled: &yes}) },
			func(f *fixture) { f.Change("alice", store.SubjectChange{Disabled: &no}) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				tc.before(f)
				for range 12 {
					f.refused(tc.username, tc.pw, home)
				}
				tc.becomes(f)
				f.accepted(tc.username, tc.pw, home)
			})
		})
	}
	t.Run("disabled during the check", func(t *testing.T) {
		bubble(t, func(t *testing.T, f *fixture) {
			f.DuringCheck = sync.OnceFunc(func() { f.Change("alice", store.SubjectChange{Disabled: &yes}) })
			f.refused("alice", secret, home)
			f.Change("alice", store.SubjectChange{Disabled: &no})
			f.accepted("alice", secret, home)
		})
	})
}

// TestStalePasswordHidesNoGuesses lets a guesser try many passwords while one
// is repeated all the time.
func TestStalePasswordHidesNoGuesses(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for i := range 10 {
			f.refused("alice", fmt.Sprint("guess ", i), home)
			if i < 9 {
				f.refused("alice", "guess 0", home)
			}
		}
		f.throttled("alice", secret, home)
		f.throttled("alice", "guess 0", home)
	})
}
