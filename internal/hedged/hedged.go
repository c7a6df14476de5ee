// Package hedged asks a question again while it has no answer yet.
package hedged

import (
	"context"
	"sync"
	"time"
)

// ReadAgain is how soon what concerns one client is asked on another connection.
const ReadAgain = 700 * time.Millisecond

// Most is how often a question is asked at most.
const Most = 12

// Do asks a question of a database, and asks it again, each time on another
// connection, beside those that have had no answer for a while: it may be the
// connection that is broken. It returns the first answer that comes, an error as well, and ends
// the other questions by their context. A question that is answered soon costs
// nothing more.
func Do[T any](ctx context.Context, after time.Duration, question func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		first sync.Once
		value T
		err   error
	)
	ask := func() {
		v, e := question(ctx)
		first.Do(func() {
			value, err = v, e
			cancel()
		})
	}
	var (
		mu    sync.Mutex
		asked = 1
		timer *time.Timer
	)
	again := func() {
		if ctx.Err() != nil {
			return
		}
		mu.Lock()
		if asked++; asked < Most {
			timer.Reset(after)
		}
		mu.Unlock()
		ask()
	}
	mu.Lock()
	timer = time.AfterFunc(after, again)
	mu.Unlock()
	ask()
	timer.Stop()
	// Who comes second waits here until the first has written.
	first.Do(func() {})
	return value, err
}
