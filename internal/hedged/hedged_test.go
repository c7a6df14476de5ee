package hedged

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDo(t *testing.T) {
	const after = 700 * time.Millisecond
	errAway := errors.New("away")
	never := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
	for name, tc := range map[string]struct {
		// nth is what becomes of each question, and the last of all further ones.
		nth   []func(context.Context) (int, error)
		limit time.Duration
		want  int
		err   error
		asked int32
		took  time.Duration
	}{
		"answered at once": {
			nth:  []func(context.Context) (int, error){answer(0, 1, nil)},
			want: 1, asked: 1,
		},
		"refused at once": {
			nth: []func(context.Context) (int, error){answer(0, 0, errAway)},
			err: errAway, asked: 1,
		},
		"answered late": {
			nth:  []func(context.Context) (int, error){answer(time.Second, 1, nil), never},
			want: 1, asked: 2, took: time.Second,
		},
		"the first connection is silent": {
			nth:  []func(context.Context) (int, error){never, answer(0, 2, nil)},
			want: 2, asked: 2, took: after,
		},
		"two connections are silent": {
			nth:  []func(context.Context) (int, error){never, never, answer(0, 3, nil)},
			want: 3, asked: 3, took: 2 * after,
		},
		"nobody answers": {
			nth: []func(context.Context) (int, error){never}, limit: 3 * time.Second,
			err: context.DeadlineExceeded, asked: 5, took: 3 * time.Second,
		},
		"nobody ever answers": {
			nth: []func(context.Context) (int, error){never}, limit: time.Minute,
			err: context.DeadlineExceeded, asked: Most, took: time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tc.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.limit)
					defer cancel()
				}
				var asked atomic.Int32
				began := time.Now()
				got, err := Do(ctx, after, func(ctx context.Context) (int, error) {
					return tc.nth[min(int(asked.Add(1)), len(tc.nth))-1](ctx)
				})
				assert.Equal(t, tc.took, time.Since(began))
				assert.Equal(t, tc.want, got)
				require.ErrorIs(t, err, tc.err)
				time.Sleep(time.Minute)
				assert.Equal(t, tc.asked, asked.Load(), "questions")
			})
		})
	}
}

// answer answers after a while.
func answer(after time.Duration, value int, err error) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		select {
		case <-time.After(after):
			return value, err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func BenchmarkDo(b *testing.B) {
	for b.Loop() {
		_, _ = Do(b.Context(), time.Second, func(context.Context) (int, error) { return 1, nil })
	}
}
