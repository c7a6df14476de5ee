package auth

import (
	"context"
	"sync"
	"time"
)

const (
	// maxCheck is how long it takes at most until a password is checked: waiting
	// for its turn at its place, for its turn to be hashed, and being hashed.
	maxCheck = 30 * time.Second
	// roomSize is how many attempts there are at most from networks that
	// somebody logged in from before, and as many again from all others.
	roomSize = 256
	// maxInBucket is how many attempts there are at most at one place. They have
	// different passwords, so all but one are wrong.
	maxInBucket = 4
	// maxSharing is how many requests wait for one attempt at most, and
	// maxSharingAll for one that was there before them: from networks that
	// somebody logged in from before, and as many again from all others.
	maxSharing    = 256
	maxSharingAll = 768
	// maxTurnedAway is how many requests without room are held back at a time,
	// for turnedAwayFor: to answer whoever asks again at once takes the processor
	// from those who have room.
	maxTurnedAway = 1024
	turnedAwayFor = time.Second
)

// room holds everything that waits for a password to be checked. Requests that
// must come to the same end share one attempt. There is a number of attempts that
// is never exceeded, and of it nobody gets all: the fuller the room, the smaller
// the share of a source. An attempt whose last request has gone is given up,
// unless it is being checked already: then it counts.
type room struct {
	mu       sync.Mutex
	attempts map[proof]*visit
	buckets  map[bucket]int
	// sources counts the attempts of each source, and those of whole customers
	// and classes, whose other fields are empty.
	sources map[source]int
	// sharing counts those who wait for one that was there before them, likewise.
	sharing map[source]int

	turnedAway chan struct{}
}

// visit is an attempt in the room.
type visit struct {
	at       attempt
	requests int
	checked  bool
	giveUp   context.CancelFunc

	done      chan struct{}
	principal Principal
	err       error
}

func newRoom() *room {
	return &room{
		attempts: map[proof]*visit{}, buckets: map[bucket]int{}, sources: map[source]int{}, sharing: map[source]int{},
		turnedAway: make(chan struct{}, maxTurnedAway),
	}
}

// turnAway returns why there is no room, after a while.
func (r *room) turnAway(ctx context.Context, why error) error {
	select {
	case r.turnedAway <- struct{}{}:
		_ = pause(ctx, turnedAwayFor)
		<-r.turnedAway
	default:
	}
	return why
}

// full reports whether there is no room for another attempt of a source.
func (r *room) full(from source) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return isFull(r.sources, roomSize, from)
}

// isFull reports whether a source has its share of a size. A customer gets half
// of what is free: so something is always left for the next one. Within it, the
// same holds for its networks.
func isFull(taken map[source]int, size int, from source) bool {
	left := (size-taken[from.class()])/2 - taken[from.ofCustomer()]
	return taken[from] >= left
}

// attend returns what comes of an attempt: of one that is there already, or of
// check, which runs on until nobody waits for it. It returns [ErrBusy] when
// there is no room, a [ThrottledError] when too many passwords are tried at the
// place, or what ctx says.
func (r *room) attend(ctx context.Context, at attempt, check func(ctx context.Context, v *visit) (Principal, error)) (Principal, error) {
	v, err := r.enter(ctx, at, check)
	if err != nil {
		return Principal{}, r.turnAway(ctx, err)
	}
	defer r.leave(v)
	select {
	case <-v.done:
		return v.principal, v.err
	case <-ctx.Done():
		return Principal{}, ctx.Err()
	}
}

func (r *room) enter(ctx context.Context, at attempt, check func(context.Context, *visit) (Principal, error)) (*visit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v := r.attempts[at.same]; v != nil {
		if v.requests >= maxSharing || isFull(r.sharing, maxSharingAll, v.at.from) {
			return nil, ErrBusy
		}
		v.requests++
		add(r.sharing, v.at.from, 1)
		return v, nil
	}
	switch {
	case at.bucket.name != "" && r.buckets[at.bucket] >= maxInBucket:
		return nil, &ThrottledError{RetryAfter: maxDelay}
	case isFull(r.sources, roomSize, at.from):
		return nil, ErrBusy
	}
	// Others may wait for the same answer: who asked first may go away.
	working, giveUp := context.WithTimeout(context.WithoutCancel(ctx), maxCheck)
	v := &visit{at: at, requests: 1, giveUp: giveUp, done: make(chan struct{})}
	r.attempts[at.same] = v
	r.count(v, 1)
	go func() {
		defer giveUp()
		v.principal, v.err = check(working, v)
		r.end(v)
		close(v.done)
	}()
	return v, nil
}

// begin is called before a password is looked at, and reports whether anybody
// waits for that. From then on nobody can take it back by going away.
func (r *room) begin(v *visit) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.checked = v.checked || v.requests > 0
	return v.checked
}

func (r *room) leave(v *visit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v.requests--; v.requests > 0 {
		add(r.sharing, v.at.from, -1)
		return
	}
	if !v.checked {
		v.giveUp()
		r.forget(v)
	}
}

func (r *room) end(v *visit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(v)
	r.count(v, -1)
}

// forget keeps others from sharing the attempt. It is called with the lock held.
func (r *room) forget(v *visit) {
	if r.attempts[v.at.same] == v {
		delete(r.attempts, v.at.same)
	}
}

// count is called with the lock held. An attempt that was given up counts until
// it has ended.
func (r *room) count(v *visit, n int) {
	add(r.sources, v.at.from, n)
	if r.buckets[v.at.bucket] += n; r.buckets[v.at.bucket] == 0 {
		delete(r.buckets, v.at.bucket)
	}
}

// add counts for a source, its customer and its class.
func add(counts map[source]int, from source, n int) {
	for _, s := range []source{from.class(), from.ofCustomer(), from} {
		if counts[s] += n; counts[s] == 0 {
			delete(counts, s)
		}
	}
}
