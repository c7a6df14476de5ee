package cache

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

func TestMemoryAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		for range 3 {
			n := f.source.took("access token", func() { f.gets("alice", 1) })
			assert.Zero(t, n, "read %d times what did not change", n)
			f.wait(15 * time.Second)
		}
		f.wait(30 * time.Second)
		n := f.source.took("access token", func() { f.gets("alice", 1) })
		assert.Equal(t, 1, n, "read %d times after a while", n)
	})
}

func TestWhoIsUnknownIsAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		_, err := f.token("carol")
		require.ErrorIs(t, err, store.ErrNotFound)
		f.source.mu.Lock()
		f.source.changed["carol"] = 1 // a new token leaves the revision as it is
		f.source.mu.Unlock()
		f.gets("carol", 1)
	})
}

func TestChangeHereCountsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		f.source.here("alice", false)
		f.gets("alice", 2)
		f.source.here("alice", true)
		_, err := f.token("alice")
		assert.ErrorIs(t, err, store.ErrNotFound, "a revoked token")
	})
}

func TestChangeElsewhereCountsSoon(t *testing.T) {
	for _, after := range []time.Duration{0, 100 * time.Millisecond, 499 * time.Millisecond, 900 * time.Millisecond} {
		bubble(t, func(t *testing.T, f *fixture) {
			f.wait(after)
			f.gets("alice", 1)
			f.source.elsewhere("alice", false)
			f.wait(time.Second)
			f.gets("alice", 2)
		})
	}
}

func TestLoginIsReadEachTime(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		_, ok := f.CachedLogin(t.Context(), "alice")
		assert.False(t, ok, "recalled what was never read")
		for range 2 {
			n := f.source.took("login", func() {
				_, err := f.Login(t.Context(), "alice")
				assert.NoError(t, err)
			})
			assert.Equal(t, 1, n, "read %d times, the time would tell who is in memory", n)
		}
		n := f.source.took("login", func() {
			login, ok := f.CachedLogin(t.Context(), "alice")
			require.True(t, ok, "recalled %v %v", login, ok)
			assert.Equal(t, "alice", login.Ref.Name, "recalled %v %v", login, ok)
		})
		assert.Zero(t, n, "read %d times to recall", n)
		f.source.here("alice", false)
		if login, ok := f.CachedLogin(t.Context(), "alice"); ok {
			assert.EqualValues(t, 2, asOf(login), "recalled what was changed: %+v", login)
		}
	})
}

func TestServesWithoutTheDatabase(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		_, err := f.Login(t.Context(), "alice")
		require.NoError(t, err)
		f.source.set(errDown, false)
		f.wait(30 * time.Minute)
		f.gets("alice", 1)
		f.misses("bob")
		login, err := f.Login(t.Context(), "alice")
		require.NoError(t, err)
		assert.Equal(t, "alice", login.Ref.Name, "%v", login)
		_, err = f.Login(t.Context(), "bob")
		require.ErrorIs(t, err, ErrUnavailable, "login of somebody who is not in memory")
		require.ErrorIs(t, err, errDown, "login of somebody who is not in memory")
		require.Error(t, f.Unavailable(), "not away")
		status := f.Status(t.Context())
		require.ErrorIs(t, status.Unavailable, errDown, "status %+v", status)
		assert.True(t, status.Recalls, "status %+v", status)
		assert.LessOrEqual(t, time.Until(status.Until), 31*time.Minute, "status %+v", status)
		f.wait(31 * time.Minute)
		f.misses("alice")
		status = f.Status(t.Context())
		assert.False(t, status.Recalls, "status %+v", status)
		f.source.set(nil, false)
		f.wait(time.Second)
		f.gets("alice", 1)
		f.gets("bob", 1)
		status = f.Status(t.Context())
		require.NoError(t, status.Unavailable, "status")
		assert.NoError(t, f.Unavailable(), "status")
	})
}

func TestServeStaleCanBeOff(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.Cache = f.With(-1)
		f.gets("alice", 1)
		f.source.set(errDown, false)
		f.wait(time.Second)
		f.misses("alice")
	})
}

// What was changed must not come back because the database went away.
func TestKnownChangesHoldWithoutTheDatabase(t *testing.T) {
	t.Run("made here, and not read since", func(t *testing.T) {
		bubble(t, func(t *testing.T, f *fixture) {
			f.gets("alice", 1)
			f.source.here("alice", true)
			f.source.set(errDown, false)
			f.misses("alice")
			f.wait(time.Minute)
			f.misses("alice")
		})
	})
	t.Run("made elsewhere and heard of, and not read since", func(t *testing.T) {
		bubble(t, func(t *testing.T, f *fixture) {
			f.gets("alice", 1)
			f.source.elsewhere("alice", true)
			require.NoError(t, f.ask())
			f.source.set(errDown, false)
			f.misses("alice")
		})
	})
	t.Run("and the others still hold", func(t *testing.T) {
		bubble(t, func(t *testing.T, f *fixture) {
			f.gets("alice", 1)
			f.gets("bob", 1)
			f.source.here("alice", true)
			f.source.set(errDown, false)
			f.gets("bob", 1)
			f.misses("alice")
		})
	})
	t.Run("and the others are read again in time where it is not known whom it concerns", func(t *testing.T) {
		bubble(t, func(t *testing.T, f *fixture) {
			f.source.nameless = true
			f.gets("alice", 1)
			f.gets("bob", 1)
			f.source.elsewhere("alice", true)
			f.wait(time.Second)
			f.source.set(errDown, false)
			f.wait(time.Second)
			f.gets("bob", 1)
			f.misses("alice")
		})
	})
}

// What concerns other subjects makes no request wait for the database.
func TestChangesOfOthersCostNothing(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		n := f.source.took("access token", func() {
			for range 100 {
				f.source.here("bob", false)
				f.source.elsewhere("carol", false)
				f.wait(100 * time.Millisecond)
				f.gets("alice", 1)
			}
		})
		assert.Zero(t, n, "read %d times because of others", n)
	})
}

// A database that was replaced by an older one counts its revisions anew.
func TestOlderDatabase(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.source.mu.Lock()
		f.source.marks.Revision = 100
		f.source.mu.Unlock()
		f.wait(time.Second)
		f.gets("alice", 1)
		f.source.mu.Lock()
		f.source.marks.Revision, f.source.changed["alice"] = 50, 49
		f.source.mu.Unlock()
		f.wait(time.Second)
		f.gets("alice", 49)
		f.source.elsewhere("alice", false)
		f.wait(time.Second)
		f.gets("alice", 51)
	})
}

func TestTouchesAreBounded(t *testing.T) {
	touched := newLatestChanges()
	for i := range int64(maxChanges + 1) {
		touched.add(i+1, i+10)
	}
	assert.LessOrEqual(t, len(touched.subjects), maxChanges, "subjects")
	for _, id := range []int64{1, 10, maxChanges} {
		last := touched.last(id)
		assert.EqualValues(t, maxChanges+1, last, "%d changed at %d last", id, last)
	}
}

func TestUnusedIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		f.wait(unusedAfter + time.Hour)
		f.gets("bob", 1)
		f.source.elsewhere("carol", false)
		f.wait(time.Second)
		_, ok := f.accessTokens.peek("alice")
		assert.False(t, ok, "alice is still in memory")
		_, ok = f.accessTokens.peek("bob")
		assert.True(t, ok, "bob is not in memory any more")
	})
}

func TestDatabaseThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		f.source.set(nil, true)
		for i := range 20 {
			began := time.Now()
			f.gets("alice", 1)
			assert.LessOrEqual(t, time.Since(began), patience, "wait %d", i)
			f.wait(time.Second)
		}
		began := time.Now()
		f.misses("bob")
		took := time.Since(began)
		assert.LessOrEqual(t, took, patience, "waited for %s although nothing is expected", took)
		f.source.set(nil, false)
		f.wait(askTimeout + time.Second)
		f.gets("bob", 1)
	})
}

func TestOneBadRowIsNoAbsence(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		f.wait(2 * time.Minute)
		f.source.set(errDown, false)
		began := time.Now()
		f.gets("alice", 1) // it is too old to be taken from memory unasked
		require.NoError(t, f.Unavailable())
		assert.LessOrEqual(t, time.Since(began), patience)
	})
}

func TestRights(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		ci := f.source.id("ci")
		f.source.changed["ci"] = 1
		f.gets("ci", 1) // who has no credentials in memory needs no permissions there
		ask := func() string {
			mine, err := f.Rights(t.Context(), ci, subject.Ref{Kind: subject.Robot, Name: "ci"})
			require.NoError(t, err)
			all, err := f.AnonymousRights(t.Context())
			require.NoError(t, err)
			return opened(mine) + " " + opened(all)
		}
		n := f.source.took("permissions", func() { ask(); ask() })
		assert.Equal(t, 2, n, "read %d times, want once each", n)
		f.source.elsewhere("ci", false)
		n = f.source.took("permissions", func() { f.wait(time.Second) })
		assert.Equal(t, 1, n, "read %d times after a change that concerns one of two", n)
		f.source.nameless = true
		f.source.elsewhere("ci", false)
		n = f.source.took("permissions", func() { f.wait(time.Second) })
		assert.Equal(t, 2, n, "read %d times after a change, want once each", n)
		n = f.source.took("permissions", func() {
			assert.Equal(t, "at/3 at/3", ask(), "rights")
		})
		assert.Zero(t, n, "read %d times what was read after the change", n)
	})
}

func TestRightsOfAnySubjectAreKept(t *testing.T) {
	patterns := make([]access.Permission, store.DefaultMaxPermissions)
	for i := range patterns {
		patterns[i] = access.Permission{Type: access.Repository, Name: fmt.Sprintf("*/tool-%d", i), Actions: access.Push}
	}
	assert.Less(t, rightsWeight(access.NewRights("", patterns)), rightsBytes)
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(rightsWeight, func(id int64, _ *access.Rights) int64 { return id })
	many := make([]access.Permission, 1000)
	for i := range many {
		many[i] = access.Permission{Type: access.Repository, Name: fmt.Sprintf("%0100d", i), Actions: access.Pull}
	}
	for id := range int64(2000) {
		m.put(id, access.NewRights("", many), stamp{})
	}
	assert.LessOrEqual(t, m.weight, memoryBytes, "bytes")
	n := m.slots.Len()
	assert.GreaterOrEqual(t, n, 10, "holds %d subjects", n)
}

// TestConcurrently is for the race detector, and for what everybody must see at
// once.
func TestConcurrently(t *testing.T) {
	s := newSource("alice")
	d := New(s, zap.NewNop())
	d.Start()
	defer d.Close()
	var readers, writers sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, _ = d.AccessToken(t.Context(), "alice")
				_, _ = d.Login(t.Context(), fmt.Sprint("user", i))
				_, _ = d.AnonymousRights(t.Context())
			}
		})
	}
	for range 2 {
		writers.Go(func() {
			for range 200 {
				s.here("alice", false)
				s.mu.Lock()
				acknowledged := s.acknowledged
				s.mu.Unlock()
				login, err := d.AccessToken(t.Context(), "alice")
				if assert.NoError(t, err) {
					assert.GreaterOrEqual(t, asOf(login.Login), acknowledged, "alice is older than what was acknowledged")
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

// Subjects that were removed leave nothing in memory, which is refreshed as long as it is there.
func TestRemovedSubjectsLeaveNothing(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for _, name := range []string{"alice", "bob"} {
			login, err := f.AccessToken(t.Context(), name)
			require.NoError(t, err)
			_, err = f.Rights(t.Context(), login.ID, subject.Ref{Kind: subject.Robot, Name: name})
			require.NoError(t, err)
		}
		f.source.elsewhere("bob", true)
		f.wait(time.Minute)
		assert.Equal(t, 1, f.accessTokens.slots.Len(), "access tokens are in memory")
		n := f.rights.slots.Len()
		assert.Equal(t, 1, n, "rights of %d subjects are in memory", n)
	})
}
