package auth

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
	maxLedgerNames = 10_000
	// maxLedgerFailures are kept of one name: more than any limit counts.
	maxLedgerFailures = 2 * maxCeiling
	// maxForgotten is how many places with a right password are kept.
	maxForgotten = 10_000
)

// unstoredFailures holds the wrong passwords that are not in the store yet, and the places
// whose wrong passwords are still there although a right one came from them.
type unstoredFailures struct {
	mu sync.Mutex
	// names are the failures by name, the latest last. Nobody pushes those of a
	// name that somebody has out by trying names of nobody.
	names, unknown *lru.Cache[string, []store.Failure]
	// forgotten numbers the places.
	forgotten map[bucket]int64
	number    int64
}

func newLedger() *unstoredFailures {
	cache := func() *lru.Cache[string, []store.Failure] {
		names, err := lru.New[string, []store.Failure](maxLedgerNames)
		if err != nil {
			panic(err) // the size is positive
		}
		return names
	}
	return &unstoredFailures{names: cache(), unknown: cache(), forgotten: map[bucket]int64{}}
}

func (l *unstoredFailures) of(name string) *lru.Cache[string, []store.Failure] {
	if strings.HasPrefix(name, unknownName) {
		return l.unknown
	}
	return l.names
}

func (l *unstoredFailures) add(f store.Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cache := l.of(f.Name)
	failures, _ := cache.Get(f.Name)
	if surplus := len(failures) + 1 - maxLedgerFailures; surplus > 0 {
		failures = failures[surplus:]
	}
	cache.Add(f.Name, append(slices.Clip(failures), f))
}

// drop is called with the lock held.
func (l *unstoredFailures) drop(name string, which func(store.Failure) bool) (dropped int64) {
	cache := l.of(name)
	failures, _ := cache.Peek(name)
	kept := slices.DeleteFunc(slices.Clone(failures), which)
	if len(kept) == 0 {
		cache.Remove(name)
	} else {
		cache.Add(name, kept)
	}
	return int64(len(failures) - len(kept))
}

// forget forgets the failures of a place, here and, once that is written, in the
// store.
func (l *unstoredFailures) forget(p bucket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(p.name, func(f store.Failure) bool { return f.Network == p.network })
	if len(l.forgotten) < maxForgotten {
		l.number++
		l.forgotten[p] = l.number
	}
}

// clear forgets the failures for a name from a network or, without one, from
// everywhere, and returns how many there were.
func (l *unstoredFailures) clear(name, network string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.drop(name, func(f store.Failure) bool { return network == "" || f.Network == network })
}

// failures lists what [store.Store.Failures] would, and the networks whose
// failures there do not count any more.
func (l *unstoredFailures) failures(p bucket, after, earlier time.Time) (failures []store.Failure, forgotten map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, _ := l.of(p.name).Get(p.name)
	for _, f := range slices.Backward(all) {
		if f.At.After(after) || f.Network == p.network && f.At.After(earlier) {
			failures = append(failures, f)
		}
	}
	for other := range l.forgotten {
		if other.name == p.name {
			if forgotten == nil {
				forgotten = map[string]bool{}
			}
			forgotten[other.network] = true
		}
	}
	return failures, forgotten
}

// entries are what is to be written.
type entries struct {
	forgotten map[bucket]int64
	failures  []store.Failure
}

func (e entries) empty() bool { return len(e.forgotten)+len(e.failures) == 0 }

// pending lists what is to be written, a part of it if that is much, and forgets
// failures that are too old to count.
func (l *unstoredFailures) pending(earliest time.Time) entries {
	const most = 500
	l.mu.Lock()
	defer l.mu.Unlock()
	e := entries{forgotten: maps.Clone(l.forgotten)}
	for _, cache := range []*lru.Cache[string, []store.Failure]{l.names, l.unknown} {
		for _, name := range cache.Keys() {
			failures, _ := cache.Peek(name)
			if len(failures) > 0 && failures[0].At.Before(earliest) {
				l.drop(name, func(f store.Failure) bool { return f.At.Before(earliest) })
				failures, _ = cache.Peek(name)
			}
			e.failures = append(e.failures, failures[:min(len(failures), most-len(e.failures))]...)
			if len(e.failures) == most {
				return e
			}
		}
	}
	return e
}

// written is told of what is in the store.
func (l *unstoredFailures) written(e entries) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p, number := range e.forgotten {
		if l.forgotten[p] == number {
			delete(l.forgotten, p)
		}
	}
	done := counted(e.failures)
	for _, f := range e.failures {
		l.drop(f.Name, func(other store.Failure) bool {
			if done[other] == 0 {
				return false
			}
			done[other]--
			return true
		})
	}
}
