package auth

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue shares a number of slots out among those who wait. They take turns:
// networks that somebody logged in from with all others, then customers, then
// the networks of a customer. How many of one source wait makes no difference
// to another.
type queue struct {
	mu   sync.Mutex
	free int
	root branch
}

// branch holds those who wait at one source, or the branches that have some.
type branch struct {
	key string
	// branches take turns; whose turn is next is the first.
	branches []*branch
	waiting  []chan struct{}
}

func newQueue(slots int) *queue { return &queue{free: slots} }

// enter waits for a slot, at most for a time: then it returns [ErrBusy], or
// what ctx says. Whoever got one gives it back by leave.
func (q *queue) enter(ctx context.Context, from source, atMost time.Duration) error {
	q.mu.Lock()
	if q.free > 0 { // then nobody waits
		q.free--
		q.mu.Unlock()
		return nil
	}
	turn, path := make(chan struct{}), from.path()
	q.root.add(path, turn)
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
		close(turn)
		return
	}
	q.free++
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

// next takes out whose turn it is, or returns nil when nobody waits.
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

// remove takes out one who does not wait any longer, and reports whether it
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
