package passwords

import (
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxCleanNames bounds how many buckets are remembered.
const maxCleanNames = 10_000

// cleanNames remembers the buckets for whose name no password was wrong lately,
// until one is wrong for any name: so long, a password that is remembered needs no
// query.
type cleanNames struct {
	buckets *lru.Cache[bucket, failuresMark]
	// here counts the wrong passwords of this process, which the mark of the
	// store shows a moment later.
	here atomic.Int64
}

// failuresMark stays the same until a password is wrong.
type failuresMark struct{ store, here int64 }

func newCleanNames() *cleanNames {
	buckets, err := lru.New[bucket, failuresMark](maxCleanNames)
	if err != nil {
		panic(err) // the size is positive
	}
	return &cleanNames{buckets: buckets}
}

func (c *cleanNames) mark(failures int64) failuresMark { return failuresMark{failures, c.here.Load()} }

func (c *cleanNames) remember(b bucket, m failuresMark) { c.buckets.Add(b, m) }

func (c *cleanNames) holds(b bucket, m failuresMark) bool {
	remembered, ok := c.buckets.Get(b)
	return ok && remembered == m
}
