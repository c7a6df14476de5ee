package auth

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// maxWaiting bounds the queue in front of the hashing, and so its memory.
	maxWaiting = 256
	// maxWait is how long a request stays in that queue.
	maxWait = 10 * time.Second
)

// hasher does expensive work with passwords on all cores but one, so that
// logins, right or wrong, leave room for everything else. Each check takes
// some 20 MB.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int64
}

func newHasher() *hasher {
	return &hasher{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))}
}

// do waits for its turn and runs work, or returns [ErrBusy] or what ctx says.
func (h *hasher) do(ctx context.Context, work func()) error {
	if err := h.enter(ctx); err != nil {
		return err
	}
	defer func() { <-h.slots }()
	work()
	return nil
}

func (h *hasher) enter(ctx context.Context) error {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > maxWaiting {
		return ErrBusy
	}
	deadline := time.NewTimer(maxWait)
	defer deadline.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-deadline.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}
