package auth

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	maxUnsettled = 10_000
	// unsettledFor is how long a place stays unsettled.
	unsettledFor = time.Minute
)

// unsettled knows the places where a password was compared with one that is
// remembered, differed, and was not counted as wrong since: it waits to be
// checked, or there was no room for it, or its request went away. No other one is
// compared there for a while. Or guessing would be free for who asks many
// times at once, or goes away before an answer.
type unsettled struct {
	mu     sync.Mutex
	places *lru.Cache[bucket, comparison]
}

type comparison struct {
	password proof
	at       time.Time
}

func newUnsettled() *unsettled {
	places, err := lru.New[bucket, comparison](maxUnsettled)
	if err != nil {
		panic(err) // the size is positive
	}
	return &unsettled{places: places}
}

// compare calls same, which compares a password, unless another one is
// unsettled, and reports whether it is the same.
func (u *unsettled) compare(p bucket, pw proof, same func() bool) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	other, ok := u.places.Get(p)
	if ok && other.password != pw && time.Since(other.at) < unsettledFor {
		return false
	}
	if same() {
		return true
	}
	u.places.Add(p, comparison{pw, time.Now()})
	return false
}

// settle is told of a password that was checked.
func (u *unsettled) settle(p bucket, pw proof) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if other, ok := u.places.Peek(p); ok && other.password == pw {
		u.places.Remove(p)
	}
}
