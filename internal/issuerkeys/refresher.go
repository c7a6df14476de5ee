package issuerkeys

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/clock"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/jwkset"
)

const (
	// Interval is how often the keys of an issuer are fetched.
	Interval = 5 * time.Minute
	// MinInterval is how often an issuer is asked at most, for a key that is not
	// known or after it did not answer.
	MinInterval = time.Minute
	// again is when it is tried again to ask, after another node did.
	again = 5 * time.Second
	// round is how often issuers are looked through.
	round = 15 * time.Second
	// fetchTimeout bounds both requests that a fetch may need.
	fetchTimeout = 10 * time.Second
	// writeTimeout bounds what is kept of it.
	writeTimeout = 10 * time.Second
	// maxAtOnce is how many issuers are asked at the same time by the clock.
	maxAtOnce = 4
)

// Store keeps keys for all nodes, and says which of them asks.
type Store interface {
	// ClaimIssuerFetch reports whether the caller is to ask an issuer: no node did
	// since a time.
	ClaimIssuerFetch(ctx context.Context, issuerID int64, since time.Time) (mine bool, err error)
	// PutIssuerKeys keeps what an issuer answered.
	PutIssuerKeys(ctx context.Context, issuerID int64, keys federation.Keys) error
	// PutIssuerAway notes that an issuer did not answer rightly.
	PutIssuerAway(ctx context.Context, issuerID int64, why string) error
}

// Known is an issuer with what is known of its keys.
type Known struct {
	ID int64
	federation.Issuer
	// Keys are those that it published last. Without JWKS, none did yet.
	Keys federation.Keys
	// AskedAt is when it was asked last, as far as this node knows, and Away says
	// that it did not answer rightly then.
	AskedAt time.Time
	Away    bool
}

// due reports whether the issuer is to be asked by the clock.
func (k Known) due(now time.Time) bool {
	if k.Disabled || k.JWKS != "" {
		return false
	}
	if len(k.Keys.JWKS) == 0 || k.Keys.Source != k.KeySource() || k.Away {
		return !k.AskedAt.After(now.Add(-MinInterval))
	}
	return !k.AskedAt.After(now.Add(-Interval))
}

// Options of a [Refresher]. Store and List must be set.
type Options struct {
	Store Store
	// List says which issuers there are. What it says of when they were asked may
	// be behind.
	List func(context.Context) ([]Known, error)
	// Fetch asks an issuer. Default: [Fetch].
	Fetch func(context.Context, federation.Issuer) (federation.Keys, jwkset.Set, error)
	// Now is the time. Default: by the clock of this machine.
	Now func() time.Time
	// Logger is told of issuers that are away, and back. Default: none is.
	Logger *zap.Logger
}

// Refresher keeps the keys of issuers fresh, for all nodes together.
type Refresher struct {
	options Options
	// ctx is that of what goes on after the request that asked has gone.
	ctx     context.Context //nolint:containedctx // it is that of the refresher
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	issuers map[int64]*asked
}

// asked is what this node did for an issuer.
type asked struct {
	// at is when it tried to ask last.
	at time.Time
	// running is closed at the end of what runs, or nil.
	running chan struct{}
	// found is whether what ran last found keys.
	found bool
	away  bool
}

// New makes a refresher, which does nothing by itself before [Refresher.Run]. Close
// it before the store.
func New(o Options) *Refresher {
	if o.Fetch == nil {
		o.Fetch = Fetch
	}
	if o.Now == nil {
		o.Now = clock.Now
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	r := &Refresher{options: o, issuers: make(map[int64]*asked)}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// Close ends what is being asked. Nothing is asked afterwards.
func (r *Refresher) Close() {
	r.stop()
	r.running.Wait()
}

// Run asks each issuer every few minutes, until the context is done.
func (r *Refresher) Run(ctx context.Context) {
	for {
		r.Round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(round + rand.N(round/5)): //nolint:gosec // so that nodes do not march in step
		}
	}
}

// Round asks the issuers whose keys are due.
func (r *Refresher) Round(ctx context.Context) {
	known, err := r.options.List(ctx)
	if err != nil {
		return // the reader of the database reports that
	}
	r.forgetOthers(known)
	room := make(chan struct{}, maxAtOnce)
	var all sync.WaitGroup
	for _, k := range known {
		if !r.due(k) {
			continue
		}
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			since := Interval
			if k.Away || len(k.Keys.JWKS) == 0 {
				since = MinInterval
			}
			r.ask(ctx, k, since)
		})
	}
	all.Wait()
}

// due is [Known.due], with what this node knows of when it asked.
func (r *Refresher) due(k Known) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.options.Now()
	if a := r.issuers[k.ID]; a != nil && a.at.After(now.Add(-MinInterval)) && !a.at.After(now) {
		return false
	}
	return k.due(now)
}

// forgetOthers drops issuers that are gone.
func (r *Refresher) forgetOthers(known []Known) {
	ids := make(map[int64]bool, len(known))
	for _, k := range known {
		ids[k.ID] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, a := range r.issuers {
		if !ids[id] && a.running == nil {
			delete(r.issuers, id)
		}
	}
}

// Look asks an issuer for a key that is not known, at most once a minute for all
// nodes and requests together; those who come meanwhile wait for the
// answer. It reports whether the issuer answered.
func (r *Refresher) Look(ctx context.Context, k Known) bool {
	if k.JWKS != "" || k.Disabled {
		return false
	}
	return r.ask(ctx, k, MinInterval)
}

// ask has an issuer asked, unless a node did within a time.
func (r *Refresher) ask(ctx context.Context, k Known, within time.Duration) bool {
	r.mu.Lock()
	a := r.issuers[k.ID]
	if a == nil {
		a = &asked{}
		r.issuers[k.ID] = a
	}
	if a.running == nil {
		now := r.options.Now()
		if a.at.After(now.Add(-MinInterval)) && !a.at.After(now) {
			r.mu.Unlock()
			return false
		}
		if r.ctx.Err() != nil {
			r.mu.Unlock()
			return false
		}
		a.at, a.running = now, make(chan struct{})
		// The request that asked may go away, others wait as well.
		r.running.Go(func() { r.fetch(r.ctx, k, a, now, within) })
	}
	running := a.running
	r.mu.Unlock()
	select {
	case <-running:
	case <-ctx.Done():
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return a.found
}

// fetch asks the issuer, if no other node did within a time.
func (r *Refresher) fetch(ctx context.Context, k Known, a *asked, now time.Time, within time.Duration) {
	found, away, at := false, a.away, now
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		a.found, a.away, a.at = found, away, at
		close(a.running)
		a.running = nil
	}()
	claiming, cancel := context.WithTimeout(ctx, writeTimeout)
	mine, err := r.options.Store.ClaimIssuerFetch(claiming, k.ID, now.Add(-within))
	cancel()
	if err != nil || !mine {
		if err == nil && within == MinInterval {
			at = now.Add(again - MinInterval)
		}
		return
	}
	err = r.Refresh(ctx, k)
	switch found = err == nil; {
	case found && away:
		r.options.Logger.Info("issuer answers again", zap.String("issuer", k.Name))
	case !found && !away:
		r.options.Logger.Warn("issuer is away: its last keys go on", zap.String("issuer", k.Name), zap.Error(err))
	}
	away = !found
}

// Refresh asks an issuer at once, and keeps what it answers. Errors: [ErrAnswer],
// and those of the [Store].
func (r *Refresher) Refresh(ctx context.Context, k Known) error {
	fetching, cancel := context.WithTimeout(ctx, fetchTimeout)
	keys, set, err := r.options.Fetch(fetching, k.Issuer)
	cancel()
	writing, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err != nil {
		if note := r.options.Store.PutIssuerAway(writing, k.ID, err.Error()); note != nil {
			r.options.Logger.Warn("note that an issuer is away", zap.String("issuer", k.Name), zap.Error(note))
		}
		return err
	}
	for _, skipped := range set.Skipped {
		r.options.Logger.Debug("key of an issuer is left out", zap.String("issuer", k.Name), zap.Stringer("key", skipped))
	}
	return r.options.Store.PutIssuerKeys(writing, k.ID, keys)
}
