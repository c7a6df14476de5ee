// Package cache knows who exists and what they may do: it reads the store
// and answers from memory what has not changed since.
//
// Whether something changed is told by the marks of the store, which cost one
// small query for all requests together. A change through the same process
// counts at once, one on another node within two seconds. While the database
// does not answer, what is in memory goes on to be true for a while, as long as
// no change is known that came after it.
package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/hedged"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// ErrUnavailable is returned for what is not in memory, or has been there for
// too long, while the database does not answer.
var ErrUnavailable = errors.New("the database does not answer, and this is not in memory")

// DefaultServeStale is how long memory stands in for the database.
const DefaultServeStale = time.Hour

// Source is what a Directory reads: a [store.Store].
type Source interface {
	// Watch has f told of every change by this process before it is
	// acknowledged.
	Watch(f func(store.Change))
	Marks(ctx context.Context) (store.Marks, error)
	// Changes lists the changes after earlier marks, and up to later ones. Error:
	// [store.ErrOtherHistory].
	Changes(ctx context.Context, after, upTo store.Marks) ([]store.Change, error)
	Login(ctx context.Context, name string) (store.Login, error)
	AccessTokenLogin(ctx context.Context, id string) (store.AccessTokenLogin, error)
	RefreshTokenLogin(ctx context.Context, id string) (store.RefreshTokenLogin, error)
	EffectivePermissionsByID(ctx context.Context, id int64, ref subject.Ref) ([]store.Effective, error)
	AnonymousPermissions(ctx context.Context) ([]store.Effective, error)
}

// Cache answers from memory and from a store. It is safe for concurrent
// use.
type Cache struct {
	*shared
	serveStale time.Duration
}

// shared is what the Directories of one store have in common.
type shared struct {
	source Source
	logger *zap.Logger

	known   atomic.Pointer[latestMarks]
	failing atomic.Pointer[failure] // nil while the database answers
	// changes are the changes in the database, by revision, and own those by this
	// process, by how many it heard of.
	changes, own *latestChanges
	heard        atomic.Int64
	// late is set while an answer about the marks has been waited for in vain.
	late   atomic.Bool
	asking singleflight.Group

	logins        *memory[string, store.Login]
	accessTokens  *memory[string, store.AccessTokenLogin]
	refreshTokens *memory[string, store.RefreshTokenLogin]
	permissions   *memory[int64, []access.Permission]

	observer atomic.Pointer[func(away error, after time.Duration)] // or nil

	changed chan struct{} // the revision is another one
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// New makes a Directory that serves for [DefaultServeStale] without the
// database. It asks for the marks when a request needs them, until Start. Close
// it before the source.
func New(source Source, logger *zap.Logger) *Cache {
	d := &shared{
		source: source, logger: logger,
		changes:       newLatestChanges(),
		own:           newLatestChanges(),
		logins:        newMemory(loginWeight, func(_ string, l store.Login) int64 { return l.ID }),
		accessTokens:  newMemory(accessTokenWeight, func(_ string, l store.AccessTokenLogin) int64 { return l.ID }),
		refreshTokens: newMemory(refreshTokenWeight, func(_ string, l store.RefreshTokenLogin) int64 { return l.ID }),
		permissions:   newMemory(permissionsWeight, func(id int64, _ []access.Permission) int64 { return id }),
		changed:       make(chan struct{}, 1),
		stop:          func() {},
	}
	d.known.Store(new(latestMarks))
	source.Watch(d.hear)
	return &Cache{shared: d, serveStale: DefaultServeStale}
}

// Start keeps the marks and what is in memory up to date in the background, so
// that requests need not wait for either.
func (d *Cache) Start() {
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	d.done.Go(func() { d.follow(ctx) })
	d.done.Go(func() { d.refresh(ctx) })
}

// Observe has f told when the database goes away, and why, and when it answers
// again, with nil and how long it was away, for every Directory that shares it. f
// must not block.
func (d *Cache) Observe(f func(away error, after time.Duration)) { d.observer.Store(&f) }

func (d *shared) tell(away error, after time.Duration) {
	if f := d.observer.Load(); f != nil {
		(*f)(away, after)
	}
}

// With returns a Directory that serves for another time without the database
// and shares everything else. Zero is the default, a negative time is not at
// all.
func (d *Cache) With(serveStale time.Duration) *Cache {
	if serveStale == 0 {
		serveStale = DefaultServeStale
	}
	return &Cache{shared: d.shared, serveStale: serveStale}
}

// Close ends what goes on in the background, for every Directory that shares
// it.
func (d *Cache) Close() {
	d.stop()
	d.done.Wait()
}

// Login finds the user or robot of a name as it is in the database now, so
// that the time it takes says nothing about whether it was in memory. Only
// while the database does not answer it is taken from there. Errors:
// [store.ErrNotFound], [ErrUnavailable].
func (d *Cache) Login(ctx context.Context, name string) (store.Login, error) {
	return lookUp(ctx, d, d.logins, name, false, func(ctx context.Context) (store.Login, error) {
		return d.source.Login(ctx, name)
	})
}

// Version stands for what the database held when something was read.
type Version struct{ stamp stamp }

// Version is that of what is read from now on.
func (d *Cache) Version() Version { return Version{d.stampNow()} }

// Unchanged reports whether all that was read of a version is still true, by the
// marks alone: the time that takes says nothing about what was read. It is false
// while the database does not answer.
func (d *Cache) Unchanged(ctx context.Context, v Version) bool {
	k, err := d.confirm(ctx)
	return err == nil && d.failing.Load() == nil && v.stamp.read.Age() < rereadAfter &&
		v.stamp.epoch == k.epoch && v.stamp.revision == k.marks.Revision && v.stamp.heard == d.heard.Load()
}

// RecallLogin is what is in memory of a user or robot and holds still, without
// a query.
func (d *Cache) RecallLogin(ctx context.Context, name string) (store.Login, bool) {
	k, err := d.confirm(ctx)
	if e, ok := d.logins.get(name); ok && d.holds(e.stamp, e.value.ID, k, err) {
		return e.value, true
	}
	return store.Login{}, false
}

// AccessToken finds an access token and its owner. Errors: [store.ErrNotFound],
// [ErrUnavailable].
func (d *Cache) AccessToken(ctx context.Context, id string) (store.AccessTokenLogin, error) {
	return lookUp(ctx, d, d.accessTokens, id, true, func(ctx context.Context) (store.AccessTokenLogin, error) {
		return d.source.AccessTokenLogin(ctx, id)
	})
}

// RefreshToken finds a refresh token and its owner. Its last use may be behind
// by a minute more than [store.RefreshTokenLogin] says. Errors:
// [store.ErrNotFound], [ErrUnavailable].
func (d *Cache) RefreshToken(ctx context.Context, id string) (store.RefreshTokenLogin, error) {
	return lookUp(ctx, d, d.refreshTokens, id, true, func(ctx context.Context) (store.RefreshTokenLogin, error) {
		return d.source.RefreshTokenLogin(ctx, id)
	})
}

// Permissions lists what a user or robot may use once it is logged in. Do not
// change it. It returns [ErrUnavailable].
func (d *Cache) Permissions(ctx context.Context, id int64, ref subject.Ref) ([]access.Permission, error) {
	return lookUp(ctx, d, d.permissions, id, true, func(ctx context.Context) ([]access.Permission, error) {
		return permissionsOf(d.source.EffectivePermissionsByID(ctx, id, ref))
	})
}

// anonymous is the key of what a request without credentials may use. No
// subject has it as its id.
const anonymous = 0

// AnonymousPermissions lists what a request without credentials may use. Do not
// change it. It returns [ErrUnavailable].
func (d *Cache) AnonymousPermissions(ctx context.Context) ([]access.Permission, error) {
	return lookUp(ctx, d, d.permissions, anonymous, true, func(ctx context.Context) ([]access.Permission, error) {
		return permissionsOf(d.source.AnonymousPermissions(ctx))
	})
}

func permissionsOf(effective []store.Effective, err error) ([]access.Permission, error) {
	if err != nil {
		return nil, err
	}
	permissions := make([]access.Permission, len(effective))
	for i, e := range effective {
		permissions[i] = e.Permission
	}
	return permissions, nil
}

const (
	// readTimeout bounds one question to the database.
	readTimeout = 3 * time.Second
	// readAgain is how soon it is asked on another connection.
	readAgain = 700 * time.Millisecond
)

// lookUp answers from memory, if recall allows that, or else by read.
func lookUp[K comparable, V any](ctx context.Context, d *Cache, m *memory[K, V], key K, recall bool, read func(context.Context) (V, error)) (V, error) {
	k, unconfirmed := d.confirm(ctx)
	e, remembered := m.get(key)
	holds := func(unconfirmed error) bool {
		return remembered && d.holds(e.stamp, m.subject(key, e.value), k, unconfirmed)
	}
	away := d.failing.Load()
	if away != nil && unconfirmed == nil {
		unconfirmed = away.err // the marks are a moment old, and nothing can be read any more
	}
	if (recall || away != nil) && holds(unconfirmed) {
		return e.value, nil
	}
	var none V
	if away != nil {
		return none, fmt.Errorf("%w: %w", ErrUnavailable, away.err)
	}
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	s := d.stampNow()
	value, err := hedged.Do(reading, readAgain, read)
	switch {
	case err == nil:
		m.put(key, value, s)
		return value, nil
	case errors.Is(err, store.ErrNotFound):
		m.forget(key)
		return none, err
	case ctx.Err() != nil:
		return none, err
	case holds(err):
		return e.value, nil
	default:
		return none, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}
