package passwords

import (
	"context"
	"sync"
	"time"

	"github.com/dockit-registry/dockit/store"
)

const (
	// maxCheck is how long it takes at most until a password is checked: waiting
	// for the turn of its bucket, for its turn to be hashed, and being hashed.
	maxCheck = 30 * time.Second
	// roomSize is how many attempts there are at most from networks that a user
	// logged in from before, and as many again from all others.
	roomSize = 256
	// maxInBucket is how many attempts there are at most of one bucket. They have
	// different passwords, so all but one are wrong.
	maxInBucket = 4
	// maxSharing is how many requests wait for one attempt at most, and
	// maxSharingAll for one that was there before them: from networks that a user
	// logged in from before, and as many again from all others.
	maxSharing    = 256
	maxSharingAll = 768
	// maxTurnedAway is how many requests without room are held back at a time,
	// for turnedAwayFor: to answer clients that ask again at once takes the processor
	// from the requests that have room.
	maxTurnedAway = 1024
	turnedAwayFor = time.Second
)

// waitingRoom holds everything that waits for a password to be checked. Requests that
// must come to the same end share one attempt. There is a number of attempts that
// is never exceeded, and of it no source gets all: the fuller the room, the smaller
// the share of a source. An attempt whose last request has gone is given up,
// unless it is being checked already: then it counts.
type waitingRoom struct {
	mu       sync.Mutex
	attempts map[digest]*sharedAttempt
	buckets  map[bucket]int
	// sources counts the attempts of each source, and those of whole customers
	// and classes, whose other fields are empty.
	sources map[source]int
	// sharing counts the requests for an attempt that was there before them, likewise.
	sharing map[source]int

	turnedAway chan struct{}
}

// sharedAttempt is an attempt in the room, and what came of it.
type sharedAttempt struct {
	at       attempt
	requests int
	checked  bool
	giveUp   context.CancelFunc

	done  chan struct{}
	login store.Login
	err   error
}

func newWaitingRoom() *waitingRoom {
	return &waitingRoom{
		attempts: map[digest]*sharedAttempt{}, buckets: map[bucket]int{}, sources: map[source]int{}, sharing: map[source]int{},
		turnedAway: make(chan struct{}, maxTurnedAway),
	}
}

// turnAway returns why there is no room, after a while.
func (r *waitingRoom) turnAway(ctx context.Context, why error) error {
	select {
	case r.turnedAway <- struct{}{}:
		_ = pause(ctx, turnedAwayFor)
		<-r.turnedAway
	default:
	}
	return why
}

// full reports whether there is no room for another attempt of a source.
func (r *waitingRoom) full(from source) bool {
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

// join returns what comes of an attempt: of one that is there already, or of
// check, which runs on until no request waits for it. It returns [ErrBusy] when
// there is no room, a [ThrottledError] when too many passwords of the bucket
// wait, or what ctx says.
func (r *waitingRoom) join(ctx context.Context, at attempt, check func(ctx context.Context, a *sharedAttempt) (store.Login, error)) (store.Login, error) {
	a, err := r.enter(ctx, at, check)
	if err != nil {
		return store.Login{}, r.turnAway(ctx, err)
	}
	defer r.leave(a)
	select {
	case <-a.done:
		return a.login, a.err
	case <-ctx.Done():
		return store.Login{}, ctx.Err()
	}
}

func (r *waitingRoom) enter(ctx context.Context, at attempt, check func(context.Context, *sharedAttempt) (store.Login, error)) (*sharedAttempt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.attempts[at.key]; a != nil {
		if a.requests >= maxSharing || isFull(r.sharing, maxSharingAll, a.at.from) {
			return nil, ErrBusy
		}
		a.requests++
		add(r.sharing, a.at.from, 1)
		return a, nil
	}
	switch {
	case at.bucket.name != "" && r.buckets[at.bucket] >= maxInBucket:
		return nil, &ThrottledError{RetryAfter: maxDelay}
	case isFull(r.sources, roomSize, at.from):
		return nil, ErrBusy
	}
	// Other requests may wait for the same answer: the client that asked first may go away.
	working, giveUp := context.WithTimeout(context.WithoutCancel(ctx), maxCheck)
	a := &sharedAttempt{at: at, requests: 1, giveUp: giveUp, done: make(chan struct{})}
	r.attempts[at.key] = a
	r.count(a, 1)
	go func() {
		defer giveUp()
		a.login, a.err = check(working, a)
		r.end(a)
		close(a.done)
	}()
	return a, nil
}

// begin is called before a password is looked at, and reports whether a request
// waits for that. From then on no client can take it back by going away.
func (r *waitingRoom) begin(a *sharedAttempt) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.checked = a.checked || a.requests > 0
	return a.checked
}

func (r *waitingRoom) leave(a *sharedAttempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.requests--; a.requests > 0 {
		add(r.sharing, a.at.from, -1)
		return
	}
	if !a.checked {
		a.giveUp()
		r.forget(a)
	}
}

func (r *waitingRoom) end(a *sharedAttempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(a)
	r.count(a, -1)
}

// forget keeps others from sharing the attempt. It is called with the lock held.
func (r *waitingRoom) forget(a *sharedAttempt) {
	if r.attempts[a.at.key] == a {
		delete(r.attempts, a.at.key)
	}
}

// count is called with the lock held. An attempt that was given up counts until
// it has ended.
func (r *waitingRoom) count(a *sharedAttempt, n int) {
	add(r.sources, a.at.from, n)
	if r.buckets[a.at.bucket] += n; r.buckets[a.at.bucket] == 0 {
		delete(r.buckets, a.at.bucket)
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
