package pullsecrets

import (
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"
)

const (
	// shortest and longest bound how long a service account is left alone that was worked on in vain, or out of turn.
	shortest = time.Second
	longest  = 5 * time.Minute
	// resetAfter is how long nothing has to go wrong until the next pause is the shortest one again.
	resetAfter = 4 * longest
)

// pace says when a service account may be worked on again. What fails, and what others undo time and again, waits twice as long
// each time, whatever events ask for it meanwhile.
type pace struct {
	now func() time.Time

	mu    sync.Mutex
	turns map[cache.ObjectName]turn
}

type turn struct {
	pauses     int
	last, next time.Time
}

func newPace(now func() time.Time) *pace {
	return &pace{now: now, turns: map[cache.ObjectName]turn{}}
}

// wait is how long to leave a service account alone yet. Default: zero.
func (p *pace) wait(name cache.ObjectName) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, now := p.turns[name], p.now()
	if now.Sub(t.last) > resetAfter {
		delete(p.turns, name)
	}
	return max(0, t.next.Sub(now))
}

// pause begins a pause after what came to nothing, or was done out of turn, and says how long it is.
func (p *pace) pause(name cache.ObjectName) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, now := p.turns[name], p.now()
	if now.Sub(t.last) > resetAfter {
		t.pauses = 0
	}
	const doublings = 9 // by then it is the longest one
	length := min(longest, shortest<<min(t.pauses, doublings))
	// Of many that failed at once, not all try at once again.
	length -= time.Duration(rand.Int64N(int64(length)/4 + 1)) //nolint:gosec // spreads load, keeps no secret
	p.turns[name] = turn{pauses: t.pauses + 1, last: now, next: now.Add(length)}
	return length
}

// forget has the next pause be the shortest one.
func (p *pace) forget(name cache.ObjectName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.turns, name)
}
