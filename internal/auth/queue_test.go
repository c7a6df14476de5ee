package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
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
				if err := q.enter(t.Context(), source{}, maxWait); err != nil {
					t.Fatal(err)
				}
				var got []int
				for i, from := range tc.waiting {
					go func() {
						if err := q.enter(t.Context(), from, maxWait); err != nil {
							t.Error(err)
						}
						got = append(got, i)
						q.leave()
					}()
					synctest.Wait()
				}
				q.leave()
				synctest.Wait()
				if !slices.Equal(got, tc.want) {
					t.Errorf("served %v, want %v", got, tc.want)
				}
				if !q.root.empty() || q.free != 1 {
					t.Errorf("afterwards %d slots are free, %d wait", q.free, len(q.root.branches))
				}
			})
		})
	}
}

func TestQueueGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		if err := q.enter(t.Context(), source{}, maxWait); err != nil {
			t.Fatal(err)
		}
		if d := took(func() {
			if err := q.enter(t.Context(), source{network: "a"}, maxWait); !errors.Is(err, ErrBusy) {
				t.Errorf("without a slot: %v", err)
			}
		}); d != maxWait {
			t.Errorf("waited %s", d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := q.enter(ctx, source{network: "a"}, maxWait); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if !q.root.empty() {
			t.Error("somebody still waits")
		}
		q.leave()
		if q.free != 1 {
			t.Errorf("%d slots are free", q.free)
		}
	})
}
