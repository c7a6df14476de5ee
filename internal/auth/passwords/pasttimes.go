package passwords

import (
	"math/rand/v2"
	"sync"
	"time"
)

// pastTimes are how long something took the last few times.
type pastTimes struct {
	mu    sync.Mutex
	took  [16]time.Duration
	known int
	next  int
}

// newPastTimes supposes something until the first time is known.
func newPastTimes() *pastTimes { return &pastTimes{took: [16]time.Duration{100 * time.Millisecond}} }

func (p *pastTimes) add(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took[p.next] = took
	p.next = (p.next + 1) % len(p.took)
	p.known = min(p.known+1, len(p.took))
}

// any is how long it took any of the last times.
func (p *pastTimes) any() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.took[rand.IntN(max(1, p.known))] //nolint:gosec // which one is no secret
}

// longest is how long it took the slowest of the last times.
func (p *pastTimes) longest() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	longest := p.took[0]
	for _, took := range p.took[:max(1, p.known)] {
		longest = max(longest, took)
	}
	return longest
}
