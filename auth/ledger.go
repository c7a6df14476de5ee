package auth

import (
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/dockit-registry/dockit/store"
)

const (
	maxLedgerNames = 10_000
	// maxLedgerFailures are kept of one name: more than any limit counts.
	maxLedgerFailures = 2 * maxCeiling
)

// ledger holds the wrong passwords that the store did not take.
type ledger struct {
	mu    sync.Mutex
	names *lru.Cache[string, []store.Failure] // the latest last
}

func newLedger() *ledger {
	names, err := lru.New[string, []store.Failure](maxLedgerNames)
	if err != nil {
		panic(err) // the size is positive
	}
	return &ledger{names: names}
}

func (l *ledger) add(f store.Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	failures, _ := l.names.Get(f.Name)
	if surplus := len(failures) + 1 - maxLedgerFailures; surplus > 0 {
		failures = failures[surplus:]
	}
	l.names.Add(f.Name, append(slices.Clip(failures), f))
}

func (l *ledger) forget(p place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	failures, _ := l.names.Get(p.name)
	l.names.Add(p.name, slices.DeleteFunc(slices.Clone(failures), func(f store.Failure) bool { return f.Network == p.network }))
}

// clear forgets the failures for a name from a network or, without one, from
// everywhere, and returns how many there were.
func (l *ledger) clear(name, network string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	failures, _ := l.names.Get(name)
	kept := slices.DeleteFunc(slices.Clone(failures), func(f store.Failure) bool { return network == "" || f.Network == network })
	l.names.Add(name, kept)
	return int64(len(failures) - len(kept))
}

// failures lists what [store.Store.Failures] would.
func (l *ledger) failures(p place, after, earlier time.Time) []store.Failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, _ := l.names.Get(p.name)
	var failures []store.Failure
	for _, f := range slices.Backward(all) {
		if f.At.After(after) || f.Network == p.network && f.At.After(earlier) {
			failures = append(failures, f)
		}
	}
	return failures
}
