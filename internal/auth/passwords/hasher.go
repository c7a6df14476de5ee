package passwords

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dockit-registry/dockit/internal/memorylimit"
)

const (
	// maxWait is how long an attempt waits for its turn to be hashed.
	maxWait = 10 * time.Second
	// returnAfter is how long nothing is hashed until the memory for it is given
	// back, and returnEvery how often at most: to do so takes some 20 ms.
	returnAfter = time.Second
	returnEvery = 20 * time.Second
)

const (
	// fewHashes is how many passwords are hashed at a time on a machine with up to
	// eight cores: some 80 a second. On a larger one a quarter of the cores does it.
	fewHashes = 2
	// hashMemory is what each takes, in bytes; what is let go of takes half as
	// much again for a while.
	hashMemory = 20 << 20
)

// hasher does expensive work with passwords on all cores but one, so that
// logins, right or wrong, leave room for everything else, and on few, because
// of the memory. The [waitingRoom] bounds how many wait for it.
type hasher struct {
	queue    *queue
	observer atomic.Pointer[func(waited, took time.Duration)] // or nil

	mu       sync.Mutex
	idle     *time.Timer
	returned time.Time
}

func newHasher() *hasher {
	return &hasher{queue: newQueue(hashesAtOnce(runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1)))}
}

// hashesAtOnce leaves one core and half of the memory to everything else.
func hashesAtOnce(cores int, memory int64) int {
	most := min(cores-1, max(fewHashes, cores/4))
	return int(max(1, min(int64(most), memory/2/hashMemory)))
}

// used has the memory given back once no request came for a while. The runtime by
// itself keeps it for minutes, some 20 MB for each check, and what a crowd of
// requests that are turned away leaves.
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
	runtime.GC() // what is kept to be used again goes with the second look
	debug.FreeOSMemory()
}

// do waits for its turn and returns what comes of work, or [ErrBusy] or what ctx
// says.
func (h *hasher) do(ctx context.Context, from source, work func() error) error {
	began := time.Now()
	return h.inTurn(ctx, from, func() error {
		waited := time.Since(began)
		err := work()
		if observe := h.observer.Load(); observe != nil && err == nil {
			(*observe)(waited, time.Since(began)-waited)
		}
		return err
	})
}

// inTurn is do for what hashes nothing.
func (h *hasher) inTurn(ctx context.Context, from source, f func() error) error {
	if err := h.queue.enter(ctx, from, maxWait); err != nil {
		return err
	}
	done := memorylimit.Large()
	defer func() {
		done()
		h.queue.leave()
		h.used()
	}()
	return f()
}
