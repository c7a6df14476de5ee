package handlers

import (
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/auth"
)

const (
	// refusalLines is how many refusals from one place have lines of their own
	// within refusalWindow. fail2ban bans long before.
	refusalLines  = 30
	refusalWindow = time.Minute
	// maxPlaces is how many places are distinguished. With more than that,
	// some of them are counted for a shorter time.
	maxPlaces = 10_000
)

// refusalLog keeps refusals from filling the log. Those of one place, an IPv4
// address or an IPv6 network of 64 bits, beyond the first of a window are
// counted, and the count is a line at its end.
type refusalLog struct {
	logger *zap.Logger
	// more is the message of a count.
	more string

	mu     sync.Mutex
	places *lru.Cache[string, *refusalCount]
}

type refusalCount struct {
	began  time.Time
	lines  int
	silent int
}

func newRefusalLog(logger *zap.Logger, more string) *refusalLog {
	l := &refusalLog{logger: logger, more: more}
	var err error
	l.places, err = lru.NewWithEvict(maxPlaces, l.tell)
	if err != nil {
		panic(err) // the size is positive
	}
	return l
}

// take reports whether a refusal has a line of its own, and counts it.
func (l *refusalLog) take(ip netip.Addr) bool {
	place, now := auth.Origin{Address: ip.Unmap().WithZone("")}.Network(), time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	count, known := l.places.Get(place)
	if known && now.Sub(count.began) >= refusalWindow {
		l.places.Remove(place) // which logs it
		known = false
	}
	if !known {
		count = &refusalCount{began: now}
		l.places.Add(place, count)
	}
	if count.lines < refusalLines {
		count.lines++
		return true
	}
	if count.silent++; count.silent == 1 {
		time.AfterFunc(time.Until(count.began.Add(refusalWindow)), func() { l.end(place, count) })
	}
	return false
}

// end closes a window in which refusals were not logged.
func (l *refusalLog) end(place string, count *refusalCount) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if current, ok := l.places.Peek(place); ok && current == count {
		l.places.Remove(place)
	}
}

// tell writes the count of a window that ends. It is called with the lock held.
func (l *refusalLog) tell(place string, count *refusalCount) {
	if count.silent == 0 {
		return
	}
	l.logger.Info(l.more, zap.String("client_network", place),
		zap.Int("count", count.silent), zap.Time("since", count.began.UTC()), zap.Duration("window", refusalWindow))
}
