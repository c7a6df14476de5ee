package admin

import (
	"context"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
)

// placeWait is how long a request waits for a place.
const placeWait = 30 * time.Second

// places lets a few requests do something that takes much memory, and a few
// others wait for that.
type places struct {
	taken, waiting chan struct{}
	wait           time.Duration
}

func newPlaces(taken, waiting int) *places {
	return &places{taken: make(chan struct{}, taken), waiting: make(chan struct{}, waiting), wait: placeWait}
}

// enter takes a place, which leave gives back. The error says to come again.
func (p *places) enter(ctx context.Context, what string) (leave func(), err error) {
	leave = func() { <-p.taken }
	select {
	case p.taken <- struct{}{}:
		return leave, nil
	default:
	}
	select {
	case p.waiting <- struct{}{}:
		defer func() { <-p.waiting }()
	default:
		return nil, busy(what)
	}
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	select {
	case p.taken <- struct{}{}:
		return leave, nil
	case <-timer.C:
		return nil, busy(what)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// busy refuses what could be done a little later.
func busy(what string) error {
	const later = 10 // seconds
	p := problem(http.StatusServiceUnavailable, adminapi.CodeBusy, what+": nothing was done, try again in "+strconv.Itoa(later)+" s")
	p.RetryAfter = later
	return p
}

// returning is set while memory is about to be given back.
var returning atomic.Bool

// giveBackMemory has the system get back what a large request has used, which
// the runtime would keep for a while. It does so once for requests at about the
// same time.
func giveBackMemory() {
	if !returning.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(time.Second, func() {
		returning.Store(false)
		debug.FreeOSMemory()
	})
}
