package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
)

const (
	// refusalWindow is the time of which all refusals of one kind become one
	// entry of the audit. The first of them is written at once.
	refusalWindow = time.Minute
	// refusalTick is how long the first one waits at most.
	refusalTick = time.Second
	// maxRefusals is how many kinds of refusals are distinguished at a time, and
	// maxNetworkRefusals how many of one network. The rest is counted together.
	maxRefusals        = 64
	maxNetworkRefusals = 8
	// refusalTimeout bounds writing them down.
	refusalTimeout = 5 * time.Second
)

// Recorder keeps entries of the audit, as [store.Store] does.
type Recorder interface {
	RecordEvents(ctx context.Context, events []audit.Event) error
}

// Refusals counts what the admin API refused, and writes it to the audit: one
// entry a minute for each subject and network, with a count, however many
// requests there are. All APIs on one store share them. It is safe for
// concurrent use.
type Refusals struct {
	recorder Recorder
	logger   *zap.Logger
	now      func() time.Time

	mu     sync.Mutex
	counts map[refusalKind]*refusalCount
	failed bool // to write; it is logged once

	// flushing is held while entries are written.
	flushing sync.Mutex
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// refusalKind is what is counted together.
type refusalKind struct {
	action         audit.Action
	actor, subject audit.Name
	network        string
	// others stands for those of a network, or of all networks, that are not
	// distinguished.
	others bool
}

type refusalCount struct {
	// opened is when the window began.
	opened time.Time
	// written is set once the first refusal stands in the audit.
	written     bool
	count       int64
	first, last time.Time
	// address is where all of them came from; networks are named otherwise.
	address string
}

// NewRefusals begins to count. Close it before the recorder.
func NewRefusals(recorder Recorder, logger *zap.Logger) *Refusals {
	running, stop := context.WithCancel(context.Background())
	r := &Refusals{recorder: recorder, logger: logger, now: time.Now, counts: make(map[refusalKind]*refusalCount), stop: stop}
	r.done.Go(func() {
		tick := time.NewTicker(refusalTick)
		defer tick.Stop()
		for {
			select {
			case <-running.Done():
				return
			case <-tick.C:
				r.write(running, false)
			}
		}
	})
	return r
}

// Close writes down what was counted and stops.
func (r *Refusals) Close() {
	r.stop()
	r.done.Wait()
	r.Flush(context.Background())
}

// Flush writes down everything that was counted.
func (r *Refusals) Flush(ctx context.Context) { r.write(ctx, true) }

// add counts a refusal. It reports whether it is the first of its kind in a
// while, which is worth a line in the log.
func (r *Refusals) add(event audit.Event, network string) (first bool) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := r.kind(refusalKind{action: event.Action, actor: event.Actor, subject: event.Subject, network: network})
	c := r.counts[kind]
	if c == nil {
		c = &refusalCount{opened: now}
		r.counts[kind] = c
		first = true
	}
	if c.count == 0 {
		c.first, c.address = now, event.Address
	}
	if c.address != event.Address {
		c.address = kind.network
	}
	c.count++
	c.last = now
	return first && !kind.others
}

// kind finds what a refusal is counted under, so that no flood of names or
// addresses makes a flood of entries.
func (r *Refusals) kind(k refusalKind) refusalKind {
	if r.counts[k] != nil {
		return k
	}
	ofNetwork := 0
	for other := range r.counts {
		if other.network == k.network && !other.others {
			ofNetwork++
		}
	}
	switch {
	case len(r.counts) < maxRefusals && ofNetwork < maxNetworkRefusals:
		return k
	case ofNetwork >= maxNetworkRefusals:
		if k = (refusalKind{action: k.action, network: k.network, others: true}); r.counts[k] != nil || len(r.counts) < maxRefusals {
			return k
		}
	}
	return refusalKind{action: k.action, others: true}
}

// refusalState is what an audit entry says.
type refusalState struct {
	Count int64     `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Others is set when they concern several subjects, which are not named.
	Others bool `json:"others,omitempty"`
}

// write writes what is due: the first refusal of a kind, and what came in a
// window that is over. What cannot be written is kept.
func (r *Refusals) write(ctx context.Context, everything bool) {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	due := r.take(everything)
	if len(due) == 0 {
		return
	}
	var events []audit.Event
	for _, d := range due {
		event, err := d.event()
		if err != nil {
			r.logger.Error("cannot write refused requests to the audit", zap.Error(err))
			continue
		}
		events = append(events, event)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusalTimeout)
	defer cancel()
	err := r.recorder.RecordEvents(ctx, events)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.putBack(due)
		if !r.failed {
			r.logger.Error("cannot write refused requests to the audit: they are counted until it takes them", zap.Error(err))
		}
	}
	r.failed = err != nil
	for _, d := range due {
		if err == nil && d.count > 1 {
			r.logger.Warn("the admin API refused requests", zap.String("action", string(d.kind.action)), zap.String("subject", string(cmp.Or(d.kind.subject, d.kind.actor))),
				zap.String("client_ip", d.address), zap.Int64("count", d.count), zap.Time("first", d.first), zap.Time("last", d.last))
		}
	}
}

// dueRefusal is a count that is to be written.
type dueRefusal struct {
	kind refusalKind
	refusalCount
}

func (d dueRefusal) event() (audit.Event, error) {
	after, err := json.Marshal(refusalState{Count: d.count, First: d.first.UTC(), Last: d.last.UTC(), Others: d.kind.others})
	return audit.Event{Action: d.kind.action, Actor: d.kind.actor, Subject: d.kind.subject, Address: d.address, After: after}, err
}

func (r *Refusals) take(everything bool) []dueRefusal {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var due []dueRefusal
	for kind, c := range r.counts {
		over := now.Sub(c.opened) >= refusalWindow || now.Before(c.opened)
		switch {
		case c.count > 0 && (over || everything || !c.written && !kind.others):
			due = append(due, dueRefusal{kind, *c})
			if over {
				c.opened = now
			}
			c.count, c.written = 0, true
		case c.count == 0 && over:
			delete(r.counts, kind) // it is quiet again
		}
	}
	slices.SortFunc(due, func(a, b dueRefusal) int { return a.first.Compare(b.first) })
	return due
}

// putBack takes back what could not be written.
func (r *Refusals) putBack(due []dueRefusal) {
	for _, d := range due {
		c := r.counts[d.kind]
		if c == nil || c.count == 0 {
			r.counts[d.kind] = &d.refusalCount
			continue
		}
		if c.address != d.address {
			c.address = d.kind.network
		}
		c.count, c.first = c.count+d.count, d.first
	}
}

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
	writeProblem(w, throttled(wait, detail))
}

func throttled(wait time.Duration, detail string) *httpProblem {
	seconds := max(1, int(math.Ceil(wait.Seconds())))
	p := problem(http.StatusTooManyRequests, adminapi.CodeThrottled, detail+": try again in "+strconv.Itoa(seconds)+" s")
	p.RetryAfter = seconds
	return p
}
