package directory

import (
	"context"
	"time"
)

// askAgainAfter is how long one connection may be silent before the question is
// asked on another one, too: it may be the connection that is broken, and a
// change has to count 2 s after the database answers.
const askAgainAfter = 700 * time.Millisecond

// patiently asks a question again and again beside those that have no answer
// yet, until the first answer comes or the context ends.
func patiently[T any](ctx context.Context, question func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const most = 8
	answers := make(chan answer, most)
	again := time.NewTicker(askAgainAfter)
	defer again.Stop()
	ask := func() {
		value, err := question(ctx)
		answers <- answer{value, err}
	}
	go ask()
	for asked := 1; ; {
		select {
		case first := <-answers:
			return first.value, first.err
		case <-again.C:
			if asked < most && ctx.Err() == nil {
				asked++
				go ask()
			}
		}
	}
}
