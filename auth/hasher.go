package auth

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxWaiting bounds the queue in front of the hashing, and so its memory.
	maxWaiting = 256
	// maxWait is how long a request stays in that queue.
	maxWait = 10 * time.Second
	// returnAfter is how long nothing is hashed until the memory for it is given
	// back, and returnEvery how often at most: to do so takes some 20 ms.
	returnAfter = time.Second
	returnEvery = 20 * time.Second
)

// hasher does expensive work with passwords on all cores but one, so that
// logins, right or wrong, leave room for everything else. Each check takes
// some 20 MB.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int64

	mu       sync.Mutex
	idle     *time.Timer
	returned time.Time
}

func newHasher() *hasher {
	return &hasher{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))}
}

// used has the memory given back once there was nothing to do for a while. The
// runtime by itself keeps it for minutes, some 20 MB for each check.
func (h *hasher) used() {
	h.mu.Lock()
	defer h.mu.Unlock()
	wait := max(returnAfter, time.Until(h.returned.Add(returnEvery)))
	if h.idle == nil {
		h.idle = time.AfterFunc(wait, h.giveBack)
		return
	}
	h.idle.Reset(wait)
}

func (h *hasher) giveBack() {
	h.mu.Lock()
	h.returned = time.Now()
	h.mu.Unlock()
	debug.FreeOSMemory()
}

// do waits for its turn and runs work, or returns [ErrBusy] or what ctx says.
func (h *hasher) do(ctx context.Context, work func()) error {
	if err := h.enter(ctx); err != nil {
		return err
	}
	defer func() {
		<-h.slots
		h.used()
	}()
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
