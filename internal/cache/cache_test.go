package cache

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

func TestMemoryAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		for range 3 {
			if n := f.source.took("access token", func() { f.gets("alice", 1) }); n != 0 {
				t.Errorf("read %d times what did not change", n)
			}
			f.wait(15 * time.Second)
		}
		f.wait(30 * time.Second)
		if n := f.source.took("access token", func() { f.gets("alice", 1) }); n != 1 {
			t.Errorf("read %d times after a while, want 1", n)
		}
	})
}

func TestWhoIsUnknownIsAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		if _, err := f.token("carol"); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
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
		if _, err := f.token("alice"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a revoked token: %v", err)
		}
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
		if _, ok := f.RecallLogin(t.Context(), "alice"); ok {
			t.Error("recalled what was never read")
		}
		for range 2 {
			n := f.source.took("login", func() {
				if _, err := f.Login(t.Context(), "alice"); err != nil {
					t.Error(err)
				}
			})
			if n != 1 {
				t.Errorf("read %d times, want 1: the time would tell who is in memory", n)
			}
		}
		n := f.source.took("login", func() {
			if login, ok := f.RecallLogin(t.Context(), "alice"); !ok || login.Ref.Name != "alice" {
				t.Errorf("recalled %v %v", login, ok)
			}
		})
		if n != 0 {
			t.Errorf("read %d times to recall", n)
		}
		f.source.here("alice", false)
		if login, ok := f.RecallLogin(t.Context(), "alice"); ok && asOf(login) != 2 {
			t.Errorf("recalled what was changed: %+v", login)
		}
	})
}

func TestServesWithoutTheDatabase(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		if _, err := f.Login(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		f.source.set(errDown, false)
		f.wait(30 * time.Minute)
		f.gets("alice", 1)
		f.misses("bob")
		if login, err := f.Login(t.Context(), "alice"); err != nil || login.Ref.Name != "alice" {
			t.Errorf("login %v %v", login, err)
		}
		if _, err := f.Login(t.Context(), "bob"); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errDown) {
			t.Errorf("login of somebody who is not in memory: %v", err)
		}
		if f.Unavailable() == nil {
			t.Error("not away")
		}
		status := f.Status(t.Context())
		if !errors.Is(status.Unavailable, errDown) || !status.Recalls || time.Until(status.Until) > 31*time.Minute {
			t.Errorf("status %+v", status)
		}
		f.wait(31 * time.Minute)
		f.misses("alice")
		if status := f.Status(t.Context()); status.Recalls {
			t.Errorf("status %+v", status)
		}
		f.source.set(nil, false)
		f.wait(time.Second)
		f.gets("alice", 1)
		f.gets("bob", 1)
		if status := f.Status(t.Context()); status.Unavailable != nil || f.Unavailable() != nil {
			t.Errorf("status %+v, %v", status, f.Unavailable())
		}
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
			if err := f.ask(); err != nil {
				t.Error(err)
			}
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

// What concerns others must not make anybody wait for the database.
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
		if n != 0 {
			t.Errorf("read %d times because of others", n)
		}
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
	if n := len(touched.subjects); n > maxChanges {
		t.Errorf("%d subjects", n)
	}
	for _, id := range []int64{1, 10, maxChanges} {
		if last := touched.last(id); last != maxChanges+1 {
			t.Errorf("%d changed at %d last", id, last)
		}
	}
}

func TestUnusedIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		f.wait(unusedAfter + time.Hour)
		f.gets("bob", 1)
		f.source.elsewhere("carol", false)
		f.wait(time.Second)
		if _, ok := f.accessTokens.entries.GetEntryQuietly("alice"); ok {
			t.Error("alice is still in memory")
		}
		if _, ok := f.accessTokens.entries.GetEntryQuietly("bob"); !ok {
			t.Error("bob is not in memory any more")
		}
	})
}

func TestDatabaseThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		f.source.set(nil, true)
		for i := range 20 {
			began := time.Now()
			f.gets("alice", 1)
			if took := time.Since(began); took > patience {
				t.Errorf("waited for %s, %d", took, i)
			}
			f.wait(time.Second)
		}
		began := time.Now()
		f.misses("bob")
		if took := time.Since(began); took > patience {
			t.Errorf("waited for %s although nothing is expected", took)
		}
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
		if f.Unavailable() != nil || time.Since(began) > patience {
			t.Errorf("away %v after %s", f.Unavailable(), time.Since(began))
		}
	})
}

func TestPermissions(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		ci := f.source.id("ci")
		f.source.changed["ci"] = 1
		f.gets("ci", 1) // who has no credentials in memory needs no permissions there
		ask := func() string {
			mine, err := f.Permissions(t.Context(), ci, subject.Ref{Kind: subject.Robot, Name: "ci"})
			if err != nil {
				t.Fatal(err)
			}
			all, err := f.AnonymousPermissions(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return mine[0].Name + " " + all[0].Name
		}
		if n := f.source.took("permissions", func() { ask(); ask() }); n != 2 {
			t.Errorf("read %d times, want once each", n)
		}
		f.source.elsewhere("ci", false)
		if n := f.source.took("permissions", func() { f.wait(time.Second) }); n != 1 {
			t.Errorf("read %d times after a change that concerns one of two", n)
		}
		f.source.nameless = true
		f.source.elsewhere("ci", false)
		if n := f.source.took("permissions", func() { f.wait(time.Second) }); n != 2 {
			t.Errorf("read %d times after a change, want once each", n)
		}
		if n := f.source.took("permissions", func() {
			if got := ask(); got != "at/3 at/3" {
				t.Errorf("rights of %s", got)
			}
		}); n != 0 {
			t.Errorf("read %d times what was read after the change", n)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(permissionsWeight, func(id int64, _ []access.Permission) int64 { return id })
	many := make([]access.Permission, 1000)
	for i := range many {
		many[i].Name = strings.Repeat("x", 100)
	}
	for id := range int64(2000) {
		m.put(id, many, stamp{})
	}
	m.entries.CleanUp()
	if size := m.entries.WeightedSize(); size > memoryBytes {
		t.Errorf("holds %d bytes, want at most %d", size, memoryBytes)
	}
	if n := m.entries.EstimatedSize(); n < 10 {
		t.Errorf("holds %d subjects", n)
	}
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
				_, _ = d.AnonymousPermissions(t.Context())
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
				if err != nil || asOf(login.Login) < acknowledged {
					t.Errorf("alice is of revision %d, %v; %d was acknowledged", asOf(login.Login), err, acknowledged)
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
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Permissions(t.Context(), login.ID, subject.Ref{Kind: subject.Robot, Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		f.source.elsewhere("bob", true)
		f.wait(time.Minute)
		if n := f.accessTokens.entries.EstimatedSize(); n != 1 {
			t.Errorf("%d access tokens are in memory", n)
		}
		if n := f.permissions.entries.EstimatedSize(); n != 1 {
			t.Errorf("permissions of %d subjects are in memory", n)
		}
	})
}
