package cache

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store"
)

// The marks are still fresh when an outage begins, and what is in memory may be older than it is taken for unasked.
func TestNoGapAtTheStartOfAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		f.wait(2*time.Minute + 100*time.Millisecond) // polls at .0 and .5
		f.source.set(errDown, false)
		for i := range 16 {
			_, err := f.token("alice")
			require.NoError(t, err, "%d ms after the outage began", i*100)
			f.wait(100 * time.Millisecond)
		}
	})
}

// A read that fails once is made again, so that memory is complete when an outage comes.
func TestRefreshIsResumed(t *testing.T) {
	for _, fails := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			flaky := &failOnce{source: newSource("alice", "bob")}
			d := New(flaky, zap.NewNop())
			d.Start()
			defer d.Close()
			f := &fixture{t, d, flaky.source}
			f.gets("alice", 1)
			f.gets("bob", 1)
			flaky.left.Store(int32(fails))
			f.source.mu.Lock()
			f.source.marks.Revision++
			f.source.changes = append(f.source.changes, store.Change{Revision: f.source.marks.Revision, SubjectID: store.Everybody})
			f.source.mu.Unlock()
			f.wait(30 * time.Minute) // the database answers all the time, but for that one read
			f.source.set(errDown, false)
			f.wait(2 * time.Second)
			_, errA := f.token("alice")
			_, errB := f.token("bob")
			require.NoError(t, errA, "not in memory with %d failed reads", fails)
			assert.NoError(t, errB, "not in memory with %d failed reads", fails)
		})
	}
}

type failOnce struct {
	*source
	left atomic.Int32
}

func (s *failOnce) AccessTokenLogin(ctx context.Context, id string) (store.AccessTokenLogin, error) {
	if s.left.Load() > 0 {
		s.left.Add(-1)
		return store.AccessTokenLogin{}, errors.New("invalid connection")
	}
	return s.source.AccessTokenLogin(ctx, id)
}

// Reads that no connection answers do not keep memory from being complete soon after: the next outage may be near.
func TestRefreshGoesOnAfterAStall(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		f.gets("bob", 1)
		f.source.mu.Lock()
		f.source.marks.Revision++
		f.source.changes = append(f.source.changes, store.Change{Revision: f.source.marks.Revision, SubjectID: store.Everybody})
		f.source.mu.Unlock()
		f.wait(500 * time.Millisecond) // the change is known, and memory is gone through
		f.source.set(nil, true)
		f.source.mu.Lock()
		f.source.marks.Revision++
		f.source.changes = append(f.source.changes, store.Change{Revision: f.source.marks.Revision, SubjectID: store.Everybody})
		f.source.mu.Unlock()
		f.wait(7 * time.Second)
		f.source.set(nil, false)
		f.wait(6 * time.Second)
		f.source.set(errDown, false)
		f.gets("alice", 1)
		f.gets("bob", 1)
	})
}

// What may have been changed is read once more, and then it holds.
func TestChangeThatMayNotHaveBeenMade(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.gets("alice", 1)
		f.source.watcher(store.Change{Revision: 2, SubjectID: store.Everybody})
		f.wait(5 * time.Second)
		f.gets("alice", 1)
		n := f.source.took("access token", func() { f.gets("alice", 1); f.gets("alice", 1) })
		assert.Zero(t, n, "read %d times what did not change", n)
		f.wait(10 * time.Minute)
		f.gets("alice", 1)
		f.source.set(errDown, false)
		f.wait(2 * time.Second)
		f.gets("alice", 1)
	})
}

// Revisions of a database that was replaced by an older one do not compare with those before.
func TestChangeHereInAnOlderDatabase(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for range 9 {
			f.source.elsewhere("bob", false)
		}
		f.wait(2 * time.Second)
		f.gets("alice", 1)
		// the database is replaced by one at revision 3, and alice's token revoked here at once (revision 4)
		f.source.mu.Lock()
		f.source.marks.Revision = 3
		f.source.changes = nil
		f.source.mu.Unlock()
		f.source.here("alice", true)
		f.source.set(errDown, false) // and it goes away
		_, err := f.token("alice")
		require.Error(t, err, "a revoked token works from memory")
		f.wait(time.Minute)
		_, err = f.token("alice")
		assert.Error(t, err, "a revoked token works from memory, still")
	})
}

// The observer hears of an outage once, and of its end.
func TestObserve(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		var heard []string
		f.Observe(func(away error, after time.Duration) {
			if away != nil {
				heard = append(heard, away.Error())
				return
			}
			heard = append(heard, after.Round(time.Second).String())
		})
		f.wait(time.Minute)
		f.source.set(errDown, false)
		f.wait(time.Minute)
		f.source.set(nil, false)
		f.wait(time.Minute)
		assert.Equal(t, []string{errDown.Error(), "1m0s"}, heard)
	})
}
