package memorylimit

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestGarbageFollowsTheLoad has collections follow each other as requests make garbage, and end.
func TestGarbageFollowsTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu  sync.Mutex
			all []int
		)
		g := &garbage{percent: gcPercent, set: func(percent int) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, percent)
		}}
		set := func() []int {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(all)
		}
		collect := func(times int, every time.Duration, inUse uint64) {
			for range times {
				time.Sleep(every)
				g.collected(time.Now(), inUse)
			}
		}
		collect(100, 2*soon, 8<<20)
		assert.Empty(t, set(), "a quiet server")
		collect(busyAfter, soon/2, 8<<20)
		assert.Equal(t, []int{200}, set(), "a busy one")
		collect(100, soon/2, 9<<20)
		assert.Equal(t, []int{200}, set(), "little more is in use")
		collect(10, 2*soon, 9<<20)
		assert.Equal(t, []int{200}, set(), "collections are rare because of that")
		collect(1, soon/2, 26<<20)
		assert.Equal(t, []int{200, 61}, set(), "a password is checked")
		collect(1, soon/2, 100<<20)
		assert.Equal(t, []int{200, 61, gcPercent}, set(), "many are")
		collect(1, soon/2, 8<<20)
		assert.Equal(t, 200, last(set()), "busy still")
		g.addLarge(1)
		assert.Equal(t, gcPercent, last(set()), "large work begins")
		g.addLarge(1)
		g.addLarge(-1)
		collect(10, soon/2, 8<<20)
		assert.Equal(t, gcPercent, last(set()), "some of it goes on")
		g.addLarge(-1)
		collect(1, soon/2, 8<<20)
		assert.Equal(t, 200, last(set()), "it is over")
		collect(1, soon/2, 1<<20)
		assert.Equal(t, maxPercent, last(set()), "next to nothing is in use")
		time.Sleep(2 * quietAfter)
		synctest.Wait()
		assert.Equal(t, gcPercent, last(set()), "nobody asks any more")
		collect(1, soon/2, 8<<20)
		assert.Equal(t, gcPercent, last(set()), "one collection")
	})
}

func last(all []int) int { return all[len(all)-1] }

func TestAfterCollection(t *testing.T) {
	collected := make(chan struct{}, 100)
	afterCollection(func() {
		select {
		case collected <- struct{}{}:
		default: // nobody looks any more
		}
	})
	for range 3 {
		require.Eventually(t, func() bool {
			runtime.GC() // again: the next call may not have been asked for when this one began
			select {
			case <-collected:
				return true
			default:
				return false
			}
		}, time.Minute, 10*time.Millisecond, "nothing was called after a collection")
	}
	assert.Positive(t, inUse())
}
