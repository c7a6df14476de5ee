package pullsecrets

import (
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"
)

// presence says when to look whether the secret of a service account is still there: no secret is watched, for that takes the right to read
// those of others. Each is looked at about once in a [resync], and of many that are found together, not all have the same time.
type presence struct {
	now func() time.Time

	mu   sync.Mutex
	next map[cache.ObjectName]time.Time
}

func newPresence(now func() time.Time) *presence {
	return &presence{now: now, next: map[cache.ObjectName]time.Time{}}
}

// due reports whether it is time to look. It is not for one that was never heard of: its time is planned.
func (p *presence) due(name cache.ObjectName) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, known := p.next[name]
	if !known {
		p.next[name] = p.later()
	}
	return known && !p.now().Before(at)
}

// seen plans the next look at a secret that was looked at, or written, just now.
func (p *presence) seen(name cache.ObjectName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next[name] = p.later()
}

// later is between a half and the whole of a resync from now.
func (p *presence) later() time.Time {
	return p.now().Add(resync - time.Duration(rand.Int64N(int64(resync/2)))) //nolint:gosec // spreads load, keeps no secret
}

// before is a time until something else is due, or until the next look if that comes first.
func (p *presence) before(name cache.ObjectName, other time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, known := p.next[name]
	if !known {
		return other
	}
	return min(other, max(shortest, at.Sub(p.now())))
}

// forget takes no memory any more for one that is gone.
func (p *presence) forget(name cache.ObjectName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.next, name)
}
