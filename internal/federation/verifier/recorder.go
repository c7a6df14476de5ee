package verifier

import (
	"context"
	"sync"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// maxPending is how many refusals of an issuer wait to be kept.
	maxPending = 50
	// sameFor is how long a refusal that is like one before is not kept again.
	sameFor = time.Minute
	// maxSeen is how many refusals are told from others.
	maxSeen = 10_000
	// maxUsername is how much of the name that was asked for is kept, in bytes.
	maxUsername = 128
	// forgetEvery is how often they are gone through at most.
	forgetEvery = 10 * time.Second
	// writeEvery is how often refusals are kept.
	writeEvery = 2 * time.Second
	// writeTimeout bounds that.
	writeTimeout = 10 * time.Second
)

// Recorder keeps refusals of tokens without letting those who send bad ones write
// as often as they like, or push out what is of use: of tokens that the issuer did
// not sign, one a minute for each [Reason] is kept.
type Recorder struct {
	write func(context.Context, map[int64][]Refusal) error

	mu      sync.Mutex
	pending map[int64][]Refusal
	seen    map[likeness]time.Time
	// forgot is when what was seen was gone through last.
	forgot time.Time
}

// likeness is what two refusals that are alike have in common.
type likeness struct {
	issuer                                              int64
	reason                                              Reason
	username, service, address, client, binding, detail string
}

// NewRecorder makes a recorder that keeps refusals, by the id of their issuer, with
// a function.
func NewRecorder(write func(context.Context, map[int64][]Refusal) error) *Recorder {
	return &Recorder{write: write, pending: make(map[int64][]Refusal), seen: make(map[likeness]time.Time)}
}

// Record has a refusal kept soon.
func (r *Recorder) Record(refusal Refusal) {
	refusal.Username = printable.ClipTo(refusal.Username, maxUsername)
	like := likeness{issuer: refusal.IssuerID, reason: refusal.Reason}
	if refusal.Signed {
		like.service, like.address, like.client, like.binding = refusal.Service, refusal.Address, refusal.Client, refusal.Binding
	}
	// An issuer may sign for everybody: a name that no binding is for is made up as
	// quickly as a signature.
	if refusal.Signed && refusal.Binding != "" {
		like.username, like.detail = refusal.Username, refusal.Detail
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, seen := r.seen[like]; seen && refusal.At.Sub(last) < sameFor && !refusal.At.Before(last) {
		return
	}
	if len(r.seen) >= maxSeen && refusal.At.Sub(r.forgot).Abs() >= forgetEvery {
		r.forget(refusal.At)
	}
	if len(r.seen) >= maxSeen {
		return
	}
	r.seen[like] = refusal.At
	waiting := append(r.pending[refusal.IssuerID], refusal)
	r.pending[refusal.IssuerID] = waiting[max(0, len(waiting)-maxPending):]
}

// forget drops what is no longer told from others.
func (r *Recorder) forget(now time.Time) {
	r.forgot = now
	for like, at := range r.seen {
		if now.Sub(at) >= sameFor || now.Before(at) {
			delete(r.seen, like)
		}
	}
}

// Run keeps what was recorded every few seconds until the context is done, and then
// once more.
func (r *Recorder) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			r.Flush(context.WithoutCancel(ctx))
			return
		case <-time.After(writeEvery):
			r.Flush(ctx)
		}
	}
}

// Flush keeps what waits. What could not be kept goes on waiting.
func (r *Recorder) Flush(ctx context.Context) {
	r.mu.Lock()
	taken := r.pending
	r.pending = make(map[int64][]Refusal)
	r.mu.Unlock()
	if len(taken) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if r.write(ctx, taken) == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, refusals := range taken {
		waiting := append(refusals, r.pending[id]...)
		r.pending[id] = waiting[max(0, len(waiting)-maxPending):]
	}
}
