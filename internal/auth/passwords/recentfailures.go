package passwords

import (
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/dockit-registry/dockit/store"
)

const (
	maxRecentBuckets = 10_000
	// maxRecentFailures bounds the failures of all buckets together.
	maxRecentFailures = 100_000
)

// recentFailures remembers what the store held last of each bucket, so that a
// lockout goes on while the store does not answer.
type recentFailures struct {
	mu sync.Mutex
	// known are those of users and robots, unknown those of unknown names, of which
	// a guesser can make many.
	known, unknown *recentBuckets
}

type recentBuckets struct {
	cache *lru.Cache[bucket, []recentFailure] // the latest first
	total int
}

type recentFailure struct {
	network string
	at      time.Time
}

func newRecentFailures() *recentFailures {
	return &recentFailures{known: newRecentBuckets(), unknown: newRecentBuckets()}
}

func newRecentBuckets() *recentBuckets {
	r := new(recentBuckets)
	cache, err := lru.NewWithEvict(maxRecentBuckets, func(_ bucket, failures []recentFailure) { r.total -= len(failures) })
	if err != nil {
		panic(err) // the size is positive
	}
	r.cache = cache
	return r
}

func (r *recentBuckets) put(b bucket, failures []recentFailure) {
	r.cache.Remove(b) // which counts it out
	if len(failures) == 0 {
		return
	}
	r.total += len(failures)
	r.cache.Add(b, failures)
	for r.total > maxRecentFailures && r.cache.Len() > 1 {
		r.cache.RemoveOldest()
	}
}

func (r *recentFailures) of(name string) *recentBuckets {
	if strings.HasPrefix(name, unknownName) {
		return r.unknown
	}
	return r.known
}

// remember replaces the failures of a bucket, the latest first.
func (r *recentFailures) remember(b bucket, failures []store.Failure) {
	var kept []recentFailure
	here, others := 0, 0
	for _, f := range failures {
		switch {
		case f.Network != b.network:
			if others++; others <= maxCeiling {
				kept = append(kept, recentFailure{f.Network, f.At})
			}
		default:
			if here++; here <= 2*maxLockoutFailures {
				kept = append(kept, recentFailure{b.network, f.At})
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(b.name).put(b, kept)
}

// add adds a failure.
func (r *recentFailures) add(f store.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	buckets, b := r.of(f.Name), bucket{f.Name, f.Network}
	failures, _ := buckets.cache.Peek(b)
	failures = append([]recentFailure{{f.Network, f.At}}, failures[:min(len(failures), maxCeiling)]...)
	buckets.put(b, failures)
}

// forget forgets a bucket or, without a network, all of a name.
func (r *recentFailures) forget(b bucket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	buckets := r.of(b.name)
	for _, other := range buckets.cache.Keys() {
		if other.name != b.name {
			continue
		}
		failures, _ := buckets.cache.Peek(other)
		buckets.put(other, slices.DeleteFunc(slices.Clone(failures), func(f recentFailure) bool { return b.network == "" || f.network == b.network }))
	}
}

// failures lists what [store.Store.Failures] would have said.
func (r *recentFailures) failures(b bucket, after, earlier time.Time) []store.Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	remembered, _ := r.of(b.name).cache.Get(b)
	var failures []store.Failure
	for _, f := range remembered {
		if f.at.After(after) || f.network == b.network && f.at.After(earlier) {
			failures = append(failures, store.Failure{Name: b.name, Network: f.network, At: f.at})
		}
	}
	return failures
}
