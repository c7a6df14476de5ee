package auth

import (
	"net/http"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// fallbackWait is how long after a refused POST its GET may come.
const fallbackWait = 30 * time.Second

// fallbacks recognises the GET by which a client repeats what was refused by
// POST, with the same name and password from the same address prefix. Any other
// repetition counts as a new attempt.
type fallbacks struct {
	mu      sync.Mutex
	refused *lru.Cache[proof, refusedPosts]
}

type refusedPosts struct {
	count int
	last  time.Time
}

func newFallbacks() *fallbacks {
	const most = 10_000
	refused, err := lru.New[proof, refusedPosts](most)
	if err != nil {
		panic(err) // the size is positive
	}
	return &fallbacks{refused: refused}
}

// refuse notes that an attempt failed.
func (f *fallbacks) refuse(attempt proof, method string) {
	if method != http.MethodPost {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	posts, _ := f.refused.Get(attempt)
	f.refused.Add(attempt, refusedPosts{posts.count + 1, time.Now()})
}

// repeats reports whether an attempt repeats one that failed, once for each.
func (f *fallbacks) repeats(attempt proof, method string) bool {
	if method != http.MethodGet {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	posts, ok := f.refused.Get(attempt)
	if !ok || time.Since(posts.last) > fallbackWait {
		return false
	}
	if posts.count--; posts.count == 0 {
		f.refused.Remove(attempt)
	} else {
		f.refused.Add(attempt, posts)
	}
	return true
}
