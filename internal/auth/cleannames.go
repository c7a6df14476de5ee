package auth

import (
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxQuiet bounds how many places are known to have done nothing wrong.
const maxQuiet = 10_000

// clean remembers the places for whose name no password was wrong lately, as
// long as none is wrong anywhere: then a password that is remembered needs no
// query.
type cleanNames struct {
	places *lru.Cache[bucket, quietMark]
	// here counts the wrong passwords of this process, which the mark of the
	// store tells a moment later.
	here atomic.Int64
}

// quietMark is the same for as long as nobody fails.
type quietMark struct{ store, here int64 }

func newQuiet() *cleanNames {
	places, err := lru.New[bucket, quietMark](maxQuiet)
	if err != nil {
		panic(err) // the size is positive
	}
	return &cleanNames{places: places}
}

func (q *cleanNames) mark(failures int64) quietMark { return quietMark{failures, q.here.Load()} }

func (q *cleanNames) remember(p bucket, m quietMark) { q.places.Add(p, m) }

func (q *cleanNames) holds(p bucket, m quietMark) bool {
	remembered, ok := q.places.Get(p)
	return ok && remembered == m
}
