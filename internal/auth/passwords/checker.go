// Package passwords checks the passwords of users.
//
// A password is expensive to check, on purpose, so the package does that at
// most once a minute for one that is right, on fewer cores than there are, and
// ever slower for a guesser.
package passwords

import (
	"context"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// Config is what a [Checker] works with.
type Config struct {
	Store *store.Store
	// Cache is one of the store.
	Cache  *cache.Cache
	Logger *zap.Logger
	// Verify says whether a password is that of a hash: [password.Verify].
	Verify func(hash, password string) (bool, error)
	// LoggedIn is called with the user and the network of every right password that
	// was checked. It must not block.
	LoggedIn func(store.LoginNetwork)
}

// Checker checks passwords against a store. While that does not answer, it
// accepts the passwords that memory proves right and refuses all others with
// [cache.ErrUnavailable].
type Checker struct {
	*shared
	cache   *cache.Cache
	options Options
}

// shared is what the Checkers of one store have in common.
type shared struct {
	store     *store.Store
	logger    *zap.Logger
	hasher    *hasher
	compare   func(hash, pw string) (bool, error)
	loggedIn  func(store.LoginNetwork)
	hashCosts *hashCosts
	// checks and refusals are how long the last of them took.
	checks, refusals *pastTimes
	// verified are the right passwords, wrong are those that were counted.
	verified, wrong *rememberedPasswords
	unsettled       *unsettled
	networks        *loginNetworks
	lookups         *queue
	room            *waitingRoom
	guard           *guard

	lockedOut atomic.Pointer[func(Lockout)] // or nil
}

// New makes a Checker with the default [Options]. Close it before the cache and
// the store.
func New(c Config) *Checker {
	s, d, logger := c.Store, c.Cache, c.Logger
	return &Checker{
		cache: d,
		shared: &shared{
			store: s, logger: logger, loggedIn: c.LoggedIn,
			hasher: newHasher(), compare: c.Verify, hashCosts: &hashCosts{store: s, unavailable: d.Unavailable, logger: logger},
			checks: newPastTimes(), refusals: newPastTimes(), verified: newRememberedPasswords(), wrong: newRememberedPasswords(), unsettled: newUnsettled(),
			networks: newLoginNetworks(s, d.Unavailable), lookups: newQueue(maxLookups), room: newWaitingRoom(), guard: newGuard(s, d, logger),
		},
		options: Options{}.WithDefaults(),
	}
}

// With returns a Checker with other options, and a cache that is one of the same
// store, that shares everything else: what is remembered and what waits. Options
// that make no sense are an error.
func (c *Checker) With(d *cache.Cache, options Options) (*Checker, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	return &Checker{shared: c.shared, cache: d, options: options.WithDefaults()}, nil
}

// ClearLockout is [store.Store.ClearLockout] that also forgets what is counted
// in memory because the store took no changes.
func (c *Checker) ClearLockout(ctx context.Context, owner subject.Ref, network string) (int64, error) {
	var cleared int64
	more, err := c.guard.clear(owner.Name, network, func() (err error) {
		cleared, err = c.store.ClearLockout(ctx, owner, network)
		return err
	})
	return cleared + more, err
}

// Close writes down which passwords were wrong as far as the store does not know
// it yet. Every Checker that shares a store is closed at once.
func (c *Checker) Close(ctx context.Context) { c.guard.writer.close(ctx) }
