package passwords

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	maxUnsettled = 10_000
	// unsettledFor is how long a bucket stays unsettled.
	unsettledFor = time.Minute
)

// unsettled holds the buckets of which a password was compared with one that is
// remembered, differed, and was not counted as wrong since: it waits to be
// checked, or there was no room for it, or its client went away. No other one of
// the bucket is compared for a while. Or guessing would be free for a client that
// asks many times at once, or goes away before an answer.
type unsettled struct {
	mu      sync.Mutex
	buckets *lru.Cache[bucket, comparison]
}

type comparison struct {
	password digest
	at       time.Time
}

func newUnsettled() *unsettled {
	buckets, err := lru.New[bucket, comparison](maxUnsettled)
	if err != nil {
		panic(err) // the size is positive
	}
	return &unsettled{buckets: buckets}
}

// compare calls same, which compares a password, unless another one is
// unsettled, and reports whether it is the same.
func (u *unsettled) compare(b bucket, pw digest, same func() bool) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	other, ok := u.buckets.Get(b)
	if ok && other.password != pw && time.Since(other.at) < unsettledFor {
		return false
	}
	if same() {
		return true
	}
	u.buckets.Add(b, comparison{pw, time.Now()})
	return false
}

// settle takes out a password that was checked.
func (u *unsettled) settle(b bucket, pw digest) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if other, ok := u.buckets.Peek(b); ok && other.password == pw {
		u.buckets.Remove(b)
	}
}
