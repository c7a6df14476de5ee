package passwords

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/dockit-registry/dockit/store"
)

const (
	maxUnstoredNames = 10_000
	// maxUnstoredOfName are kept of one name: more than any limit counts.
	maxUnstoredOfName = 2 * maxCeiling
	// maxForgotten is how many buckets with a right password are kept.
	maxForgotten = 10_000
)

// unstoredFailures holds the wrong passwords that are not in the store yet, and the
// buckets whose wrong passwords are still there although a right one came since.
type unstoredFailures struct {
	mu sync.Mutex
	// names are the failures by name, the latest last, unknown those of unknown
	// names: a guesser who tries many of them pushes out none of a user.
	names, unknown *lru.Cache[string, []store.Failure]
	// forgotten numbers the buckets.
	forgotten map[bucket]int64
	number    int64
}

func newUnstoredFailures() *unstoredFailures {
	cache := func() *lru.Cache[string, []store.Failure] {
		names, err := lru.New[string, []store.Failure](maxUnstoredNames)
		if err != nil {
			panic(err) // the size is positive
		}
		return names
	}
	return &unstoredFailures{names: cache(), unknown: cache(), forgotten: map[bucket]int64{}}
}

func (u *unstoredFailures) of(name string) *lru.Cache[string, []store.Failure] {
	if strings.HasPrefix(name, unknownName) {
		return u.unknown
	}
	return u.names
}

func (u *unstoredFailures) add(f store.Failure) {
	u.mu.Lock()
	defer u.mu.Unlock()
	cache := u.of(f.Name)
	failures, _ := cache.Get(f.Name)
	if surplus := len(failures) + 1 - maxUnstoredOfName; surplus > 0 {
		failures = failures[surplus:]
	}
	cache.Add(f.Name, append(slices.Clip(failures), f))
}

// drop is called with the lock held.
func (u *unstoredFailures) drop(name string, which func(store.Failure) bool) (dropped int64) {
	cache := u.of(name)
	failures, _ := cache.Peek(name)
	kept := slices.DeleteFunc(slices.Clone(failures), which)
	if len(kept) == 0 {
		cache.Remove(name)
	} else {
		cache.Add(name, kept)
	}
	return int64(len(failures) - len(kept))
}

// forget forgets the failures of a bucket, here and, once that is written, in the
// store.
func (u *unstoredFailures) forget(b bucket) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.drop(b.name, func(f store.Failure) bool { return f.Network == b.network })
	if len(u.forgotten) < maxForgotten {
		u.number++
		u.forgotten[b] = u.number
	}
}

// clear forgets the failures for a name from a network or, without one, from
// everywhere, and returns how many there were.
func (u *unstoredFailures) clear(name, network string) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.drop(name, func(f store.Failure) bool { return network == "" || f.Network == network })
}

// failures lists what [store.Store.Failures] would, and the networks whose
// failures there do not count any more.
func (u *unstoredFailures) failures(b bucket, after, earlier time.Time) (failures []store.Failure, forgotten map[string]bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	all, _ := u.of(b.name).Get(b.name)
	for _, f := range slices.Backward(all) {
		if f.At.After(after) || f.Network == b.network && f.At.After(earlier) {
			failures = append(failures, f)
		}
	}
	for other := range u.forgotten {
		if other.name == b.name {
			if forgotten == nil {
				forgotten = map[string]bool{}
			}
			forgotten[other.network] = true
		}
	}
	return failures, forgotten
}

// batch is what is to be written.
type batch struct {
	forgotten map[bucket]int64
	failures  []store.Failure
}

func (b batch) empty() bool { return len(b.forgotten)+len(b.failures) == 0 }

// pending lists what is to be written, a part of it if that is much, and forgets
// failures that are too old to count.
func (u *unstoredFailures) pending(earliest time.Time) batch {
	const most = 500
	u.mu.Lock()
	defer u.mu.Unlock()
	b := batch{forgotten: maps.Clone(u.forgotten)}
	for _, cache := range []*lru.Cache[string, []store.Failure]{u.names, u.unknown} {
		for _, name := range cache.Keys() {
			failures, _ := cache.Peek(name)
			if len(failures) > 0 && failures[0].At.Before(earliest) {
				u.drop(name, func(f store.Failure) bool { return f.At.Before(earliest) })
				failures, _ = cache.Peek(name)
			}
			b.failures = append(b.failures, failures[:min(len(failures), most-len(b.failures))]...)
			if len(b.failures) == most {
				return b
			}
		}
	}
	return b
}

// written takes out what is in the store by now.
func (u *unstoredFailures) written(done batch) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for b, number := range done.forgotten {
		if u.forgotten[b] == number {
			delete(u.forgotten, b)
		}
	}
	left := counted(done.failures)
	for _, f := range done.failures {
		u.drop(f.Name, func(other store.Failure) bool {
			if left[other] == 0 {
				return false
			}
			left[other]--
			return true
		})
	}
}
