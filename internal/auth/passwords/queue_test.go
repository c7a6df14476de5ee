package passwords

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestQueueTakesTurns shows in which order attempts are served that all wait.
func TestQueueTakesTurns(t *testing.T) {
	at := func(known bool, customer string, network int) source {
		return source{known, customer, fmt.Sprint(customer, ".", network)}
	}
	for _, tc := range []struct {
		name    string
		waiting []source
		want    []int
	}{
		{"one network", []source{at(false, "a", 1), at(false, "a", 1), at(false, "a", 1)}, []int{0, 1, 2}},
		{"a crowd and one", []source{at(false, "a", 1), at(false, "a", 1), at(false, "a", 1), at(false, "b", 1)}, []int{0, 3, 1, 2}},
		{"networks of one customer share", []source{at(false, "a", 1), at(false, "a", 2), at(false, "a", 3), at(false, "b", 1), at(false, "b", 1)}, []int{0, 3, 1, 4, 2}},
		{"within a customer", []source{at(false, "a", 1), at(false, "a", 1), at(false, "a", 2)}, []int{0, 2, 1}},
		{"half is for known networks", []source{at(false, "a", 1), at(false, "b", 1), at(false, "c", 1), at(true, "d", 1), at(true, "d", 1)}, []int{0, 3, 1, 4, 2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(1)
				require.NoError(t, q.enter(t.Context(), source{}, maxWait))
				var got []int
				for i, from := range tc.waiting {
					go func() {
						assert.NoError(t, q.enter(t.Context(), from, maxWait))
						got = append(got, i)
						q.leave()
					}()
					synctest.Wait()
				}
				q.leave()
				synctest.Wait()
				assert.Equal(t, tc.want, got, "served")
				assert.True(t, q.root.empty(), "%d wait", len(q.root.branches))
				assert.Equal(t, 1, q.free, "%d wait", len(q.root.branches))
			})
		})
	}
}

func TestQueueGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		require.NoError(t, q.enter(t.Context(), source{}, maxWait))
		assert.Equal(t, maxWait, took(func() {
			assert.ErrorIs(t, q.enter(t.Context(), source{network: "a"}, maxWait), ErrBusy, "without a slot")
		}), "waited")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, q.enter(ctx, source{network: "a"}, maxWait), context.Canceled, "cancelled")
		assert.True(t, q.root.empty(), "somebody still waits")
		q.leave()
		assert.Equal(t, 1, q.free, "slots are free")
	})
}
