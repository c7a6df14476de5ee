package registryview

import (
	"iter"
	"math/bits"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/dockit-registry/dockit/access"
)

// maxViewers is how many viewers it is remembered of which names they see: some 30 KB
// each where there are as many names as are kept.
const maxViewers = 64

// visible are the names that one viewer may pull, by their places in the list.
type visible struct {
	of    *nameList
	set   []uint64
	count int
}

// newVisible goes through all names.
func newVisible(of *nameList, v Viewer) *visible {
	const word = 64
	seen := &visible{of: of, set: make([]uint64, (len(of.list)+word-1)/word)}
	for i, name := range of.list {
		if v.mayPull(name) {
			seen.set[i/word] |= 1 << (i % word)
			seen.count++
		}
	}
	return seen
}

// from are the places of the names from one place on.
func (s *visible) from(start int) iter.Seq[int] {
	const word = 64
	return func(yield func(int) bool) {
		for w := start / word; w < len(s.set); w++ {
			rest := s.set[w]
			if w == start/word {
				rest &= ^uint64(0) << (start % word)
			}
			for ; rest != 0; rest &= rest - 1 {
				if !yield(w*word + bits.TrailingZeros64(rest)) {
					return
				}
			}
		}
	}
}

// viewers remembers which names viewers see, for as long as neither the names nor
// their rights change: those never change, other ones take their place.
type viewers struct {
	mu    sync.Mutex
	known *lru.Cache[*access.Rights, *visible]
}

func newViewers() *viewers {
	known, err := lru.New[*access.Rights, *visible](maxViewers)
	if err != nil {
		panic(err) // the size is positive
	}
	return &viewers{known: known}
}

func (s *viewers) see(of *nameList, v Viewer) *visible {
	if len(v.Within) > 0 {
		return newVisible(of, v)
	}
	s.mu.Lock()
	seen, known := s.known.Get(v.Rights)
	s.mu.Unlock()
	if known && seen.of == of {
		return seen
	}
	seen = newVisible(of, v)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.Add(v.Rights, seen)
	return seen
}
