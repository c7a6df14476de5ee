package auth

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/dockit-registry/dockit/password"
)

const (
	// maxWaiting bounds the queue in front of the hashing, and so its memory.
	maxWaiting = 256
	// maxWait is how long a request stays in that queue.
	maxWait = 10 * time.Second
)

// hasher checks passwords on all cores but one, so that logins, right or
// wrong, leave room for everything else. Each check takes some 20 MB.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int64
}

func newHasher() *hasher {
	return &hasher{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))}
}

func (h *hasher) verify(ctx context.Context, hash, pw string) (bool, error) {
	if h.waiting.Add(1) > maxWaiting {
		h.waiting.Add(-1)
		return false, ErrBusy
	}
	deadline := time.NewTimer(maxWait)
	defer deadline.Stop()
	select {
	case h.slots <- struct{}{}:
		h.waiting.Add(-1)
		defer func() { <-h.slots }()
		return password.Verify(hash, pw)
	case <-deadline.C:
		h.waiting.Add(-1)
		return false, ErrBusy
	case <-ctx.Done():
		h.waiting.Add(-1)
		return false, ctx.Err()
	}
}
