package auth

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store"
)

const (
	// useInterval is how long uses are collected before they are written down
	// together: a write for each request would be the costliest part of it.
	useInterval = 30 * time.Second
	// networkInterval is how often it is written down that a subject logs in
	// from the same network.
	networkInterval = 24 * time.Hour
	// maxUses is how many of a kind are collected at most.
	maxUses = 10_000
)

// uses collects when tokens were used, and where subjects log in from.
type uses struct {
	store  *store.Store
	logger *zap.Logger

	mu       sync.Mutex
	pending  store.Uses
	timer    *time.Timer
	closed   bool
	recorded *lru.Cache[store.LoginNetwork, time.Time]
	pages    *lru.Cache[string, time.Time]
}

func newUses(s *store.Store, logger *zap.Logger) *uses {
	recorded, err := lru.New[store.LoginNetwork, time.Time](maxUses)
	if err != nil {
		panic(err) // the size is positive
	}
	pages, err := lru.New[string, time.Time](maxUses)
	if err != nil {
		panic(err)
	}
	return &uses{store: s, logger: logger, pending: noUses(), recorded: recorded, pages: pages}
}

func noUses() store.Uses {
	return store.Uses{
		AccessTokens:  map[string]store.Use{},
		RefreshTokens: map[string]store.Use{},
		Sessions:      map[string]store.Use{},
		Networks:      map[store.LoginNetwork]time.Time{},
	}
}

func (u *uses) by(o Origin) store.Use {
	return store.Use{At: u.store.Now(), Address: o.address(), Client: o.Client}
}

func (u *uses) accessToken(id string, o Origin) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, again := u.pending.AccessTokens[id]; again || len(u.pending.AccessTokens) < maxUses {
		u.pending.AccessTokens[id] = u.by(o)
		u.schedule()
	}
}

func (u *uses) refreshToken(id string, o Origin) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, again := u.pending.RefreshTokens[id]; again || len(u.pending.RefreshTokens) < maxUses {
		u.pending.RefreshTokens[id] = u.by(o)
		u.schedule()
	}
}

func (u *uses) session(id string, o Origin) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, again := u.pending.Sessions[id]; again || len(u.pending.Sessions) < maxUses {
		u.pending.Sessions[id] = u.by(o)
		u.schedule()
	}
}

// page notes the use of a session at the page, once in a while.
func (u *uses) page(id string, o Origin) {
	now := u.store.Now()
	if at, found := u.pages.Get(id); found && now.Sub(at) < pageUseInterval {
		return
	}
	u.pages.Add(id, now)
	u.refreshToken(id, o)
}

// pendingRefreshToken reports whether a refresh token was used a moment ago, which
// is not written down yet.
func (u *uses) pendingRefreshToken(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, pending := u.pending.RefreshTokens[id]
	return pending
}

func (u *uses) network(n store.LoginNetwork) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.store.Now()
	if at, ok := u.recorded.Get(n); ok && now.Sub(at) < networkInterval || n.Network == "" || len(u.pending.Networks) >= maxUses {
		return
	}
	u.recorded.Add(n, now)
	u.pending.Networks[n] = now
	u.schedule()
}

// schedule is called with the lock held.
func (u *uses) schedule() {
	if u.timer == nil && !u.closed {
		u.timer = time.AfterFunc(useInterval, func() {
			ctx, cancel := context.WithTimeout(context.Background(), useInterval)
			defer cancel()
			u.record(ctx)
		})
	}
}

// record writes down what was collected. What cannot be written is kept for the
// next time.
func (u *uses) record(ctx context.Context) {
	u.mu.Lock()
	pending := u.pending
	u.pending, u.timer = noUses(), nil
	u.mu.Unlock()
	if len(pending.AccessTokens)+len(pending.RefreshTokens)+len(pending.Sessions)+len(pending.Networks) == 0 {
		return
	}
	if err := u.store.RecordUses(ctx, pending); err != nil {
		u.logger.Warn("the last uses of tokens are not recorded", zap.Error(err))
		u.putBack(pending)
	}
}

// putBack takes back what could not be written, as long as there is room.
func (u *uses) putBack(old store.Uses) {
	u.mu.Lock()
	defer u.mu.Unlock()
	keep(u.pending.AccessTokens, old.AccessTokens)
	keep(u.pending.RefreshTokens, old.RefreshTokens)
	keep(u.pending.Sessions, old.Sessions)
	keep(u.pending.Networks, old.Networks)
	u.schedule()
}

// keep adds what is older than what is there.
func keep[K comparable, V any](pending, old map[K]V) {
	for key, value := range old {
		if _, again := pending[key]; !again && len(pending) < maxUses {
			pending[key] = value
		}
	}
}

func (u *uses) close(ctx context.Context) {
	u.mu.Lock()
	u.closed = true
	if u.timer != nil {
		u.timer.Stop()
	}
	u.mu.Unlock()
	u.record(ctx)
}
