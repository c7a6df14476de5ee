package passwords

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStats guards that who waits is seen, and is not any more afterwards.
func TestStats(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.CheckTakes = 30 * time.Millisecond
		var waited, took time.Duration
		f.ObserveChecks(func(w, k time.Duration) { waited, took = w, k })
		before := f.Stats()
		assert.Positive(t, before.Slots)
		assert.Zero(t, before.Running+before.Queued+before.Attempts)

		release := f.occupy()
		go func() { _, _ = f.try("alice", secret, home) }()
		synctest.Wait()
		s := f.Stats()
		assert.Equal(t, []int{before.Slots, 1, 1}, []int{s.Running, s.Queued, s.Attempts})
		time.Sleep(time.Second)
		release()
		time.Sleep(time.Second)
		assert.Equal(t, before, f.Stats())
		assert.Equal(t, time.Second, waited)
		assert.Equal(t, 30*time.Millisecond, took)
	})
}

// TestStatsForgetWhoGaveUp guards that a client which goes away is not counted for ever.
func TestStatsForgetWhoGaveUp(t *testing.T) {
	q := newQueue(1)
	require.NoError(t, q.enter(t.Context(), source{}, time.Hour))
	require.ErrorIs(t, q.enter(t.Context(), source{}, time.Millisecond), ErrBusy)
	_, taken, waiting := q.load()
	assert.Equal(t, []int{1, 0}, []int{taken, waiting})
}
