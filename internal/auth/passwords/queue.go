package passwords

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue shares a number of slots out among the requests that wait. They take
// turns: networks that a user logged in from with all others, then customers, then
// the networks of a customer. How many of one source wait makes no difference
// to another.
type queue struct {
	slots int

	mu      sync.Mutex
	free    int
	waiting int
	root    branch
}

// branch holds the requests that wait of one source, or the branches that have some.
type branch struct {
	key string
	// branches take turns; whose turn is next is the first.
	branches []*branch
	waiting  []chan struct{}
}

func newQueue(slots int) *queue { return &queue{slots: slots, free: slots} }

// enter waits for a slot, at most for a time: then it returns [ErrBusy], or
// what ctx says. The caller gives a slot back by leave.
func (q *queue) enter(ctx context.Context, from source, atMost time.Duration) error {
	q.mu.Lock()
	if q.free > 0 { // then no request waits
		q.free--
		q.mu.Unlock()
		return nil
	}
	turn, path := make(chan struct{}), from.path()
	q.root.add(path, turn)
	q.waiting++
	q.mu.Unlock()

	deadline := time.NewTimer(atMost)
	defer deadline.Stop()
	var err error
	select {
	case <-turn:
		return nil
	case <-deadline.C:
		err = ErrBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	q.mu.Lock()
	waited := q.root.remove(path, turn)
	if waited {
		q.waiting--
	}
	q.mu.Unlock()
	if !waited { // its turn came at the same moment
		q.leave()
	}
	return err
}

func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if turn := q.root.next(); turn != nil {
		q.waiting--
		close(turn)
		return
	}
	q.free++
}

// load is how many slots there are and are taken, and how many requests wait.
func (q *queue) load() (slots, taken, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.slots, q.slots - q.free, q.waiting
}

func (b *branch) add(path []string, turn chan struct{}) {
	if len(path) == 0 {
		b.waiting = append(b.waiting, turn)
		return
	}
	i := b.index(path[0])
	if i < 0 {
		i = len(b.branches)
		b.branches = append(b.branches, &branch{key: path[0]})
	}
	b.branches[i].add(path[1:], turn)
}

// next takes out the request whose turn it is, or returns nil when none waits.
func (b *branch) next() chan struct{} {
	if len(b.waiting) > 0 {
		turn := b.waiting[0]
		b.waiting = slices.Delete(b.waiting, 0, 1)
		return turn
	}
	if len(b.branches) == 0 {
		return nil
	}
	first := b.branches[0]
	turn := first.next()
	b.branches = slices.Delete(b.branches, 0, 1)
	if !first.empty() {
		b.branches = append(b.branches, first)
	}
	return turn
}

// remove takes out a request that does not wait any longer, and reports whether it
// still did.
func (b *branch) remove(path []string, turn chan struct{}) bool {
	if len(path) == 0 {
		i := slices.Index(b.waiting, turn)
		if i >= 0 {
			b.waiting = slices.Delete(b.waiting, i, i+1)
		}
		return i >= 0
	}
	i := b.index(path[0])
	if i < 0 || !b.branches[i].remove(path[1:], turn) {
		return false
	}
	if b.branches[i].empty() {
		b.branches = slices.Delete(b.branches, i, i+1)
	}
	return true
}

func (b *branch) empty() bool { return len(b.waiting)+len(b.branches) == 0 }

func (b *branch) index(key string) int {
	return slices.IndexFunc(b.branches, func(one *branch) bool { return one.key == key })
}
