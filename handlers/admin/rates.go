package admin

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/dockit-registry/dockit/adminapi"
)

const maxLimiters = 10_000

// rates limits how often something is done, for each of many.
type rates struct {
	each  rate.Limit
	burst int

	mu       sync.Mutex
	limiters *lru.Cache[string, *rate.Limiter] // the least recently used go first
}

// newRates allows a burst, and one more after every interval.
func newRates(burst int, interval time.Duration) *rates {
	limiters, err := lru.New[string, *rate.Limiter](maxLimiters)
	if err != nil {
		panic(err) // the size is positive
	}
	return &rates{each: rate.Every(interval), burst: burst, limiters: limiters}
}

func (r *rates) of(who string) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.limiters.Get(who)
	if !ok {
		l = rate.NewLimiter(r.each, r.burst)
		r.limiters.Add(who, l)
	}
	return l
}

// take counts one time. It reports whether that is too often, and then how long
// to wait.
func (r *rates) take(who string) (wait time.Duration, tooOften bool) {
	l := r.of(who)
	if l.Allow() {
		return 0, false
	}
	return r.wait(l), true
}

// spent reports whether there is nothing to take, and takes nothing.
func (r *rates) spent(who string) (wait time.Duration, spent bool) {
	l := r.of(who)
	if l.Tokens() >= 1 {
		return 0, false
	}
	return r.wait(l), true
}

func (r *rates) wait(l *rate.Limiter) time.Duration {
	missing := max(0, 1-l.Tokens())
	return time.Duration(missing / float64(r.each) * float64(time.Second))
}

// writeThrottled says when to come again.
func writeThrottled(w http.ResponseWriter, wait time.Duration, detail string) {
	seconds := max(1, int(math.Ceil(wait.Seconds())))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	writeProblem(w, problem(http.StatusTooManyRequests, adminapi.CodeThrottled, detail+": try again in "+strconv.Itoa(seconds)+" s"))
}
