package auth

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxForgers bounds how many networks are told apart.
const maxForgers = 10_000

// forgeries counts tokens that say to be of an issuer which did not sign them, by
// the network that they come from. It costs more to find that out than to ask.
// Tokens that an issuer signed and that are refused for another reason are no
// forgeries, nor are those whose key is not known: it may be new.
type forgeries struct {
	mu       sync.Mutex
	networks *lru.Cache[string, forger]
}

type forger struct {
	count       int
	first       time.Time
	lockedUntil time.Time
}

func newForgeries() *forgeries {
	networks, err := lru.New[string, forger](maxForgers)
	if err != nil {
		panic(err) // the size is positive
	}
	return &forgeries{networks: networks}
}

// locked is how long no token from a network is looked at.
func (f *forgeries) locked(network string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, _ := f.networks.Get(network)
	return max(0, known.lockedUntil.Sub(now))
}

// add counts a forgery; so many within a window lock the network out for a time.
func (f *forgeries) add(network string, now time.Time, most int, window, duration time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, _ := f.networks.Get(network)
	if age := now.Sub(known.first); age >= window || age < 0 {
		known = forger{first: now}
	}
	if known.count++; known.count >= most {
		known = forger{first: now, lockedUntil: now.Add(duration)}
	}
	f.networks.Add(network, known)
}
