package auth

import (
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/dockit-registry/dockit/store"
)

const (
	maxRecentPlaces = 10_000
	// maxRecentFailures bounds the failures of all places together.
	maxRecentFailures = 100_000
)

// recentFailures remembers what the store said last of each place, so that a
// lockout goes on while that is away.
type recentFailures struct {
	mu sync.Mutex
	// buckets are those of names, unknown those of names that nobody has, of which
	// anybody can make many.
	places, unknown *recentPlaces
}

type recentPlaces struct {
	cache *lru.Cache[bucket, []recentFailure] // the latest first
	total int
}

type recentFailure struct {
	network string
	at      time.Time
}

func newRecentFailures() *recentFailures {
	return &recentFailures{places: newRecentPlaces(), unknown: newRecentPlaces()}
}

func newRecentPlaces() *recentPlaces {
	r := new(recentPlaces)
	cache, err := lru.NewWithEvict(maxRecentPlaces, func(_ bucket, failures []recentFailure) { r.total -= len(failures) })
	if err != nil {
		panic(err) // the size is positive
	}
	r.cache = cache
	return r
}

func (r *recentPlaces) put(p bucket, failures []recentFailure) {
	r.cache.Remove(p) // which counts it out
	if len(failures) == 0 {
		return
	}
	r.total += len(failures)
	r.cache.Add(p, failures)
	for r.total > maxRecentFailures && r.cache.Len() > 1 {
		r.cache.RemoveOldest()
	}
}

func (r *recentFailures) of(name string) *recentPlaces {
	if strings.HasPrefix(name, unknownName) {
		return r.unknown
	}
	return r.places
}

// remember is told of the failures of a place, the latest first.
func (r *recentFailures) remember(p bucket, failures []store.Failure) {
	var kept []recentFailure
	here, others := 0, 0
	for _, f := range failures {
		switch {
		case f.Network != p.network:
			if others++; others <= maxCeiling {
				kept = append(kept, recentFailure{f.Network, f.At})
			}
		default:
			if here++; here <= 2*maxLockoutFailures {
				kept = append(kept, recentFailure{p.network, f.At})
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(p.name).put(p, kept)
}

// add is told of another failure.
func (r *recentFailures) add(f store.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	places, p := r.of(f.Name), bucket{f.Name, f.Network}
	failures, _ := places.cache.Peek(p)
	failures = append([]recentFailure{{f.Network, f.At}}, failures[:min(len(failures), maxCeiling)]...)
	places.put(p, failures)
}

// forget forgets a place, or, without a network, all of a name.
func (r *recentFailures) forget(p bucket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	places := r.of(p.name)
	for _, other := range places.cache.Keys() {
		if other.name != p.name {
			continue
		}
		failures, _ := places.cache.Peek(other)
		places.put(other, slices.DeleteFunc(slices.Clone(failures), func(f recentFailure) bool { return p.network == "" || f.network == p.network }))
	}
}

// recall lists what [store.Store.Failures] would have said.
func (r *recentFailures) recall(p bucket, after, earlier time.Time) []store.Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	remembered, _ := r.of(p.name).cache.Get(p)
	var failures []store.Failure
	for _, f := range remembered {
		if f.at.After(after) || f.network == p.network && f.at.After(earlier) {
			failures = append(failures, store.Failure{Name: p.name, Network: f.network, At: f.at})
		}
	}
	return failures
}
