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

// Source is what a Cache reads: a [store.Store].
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
	Federation(ctx context.Context) (store.Federation, error)
}

// Cache answers from memory and from a store. It is safe for concurrent
// use.
type Cache struct {
	*shared
	serveStale time.Duration
}

// shared is what the Caches of one store have in common.
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
	accessTokens  *memory[string, AccessToken]
	refreshTokens *memory[string, store.RefreshTokenLogin]
	rights        *memory[holder, *access.Rights]
	federation    *memory[struct{}, store.Federation]

	observer atomic.Pointer[func(away error, after time.Duration)] // or nil

	changed chan struct{} // the revision is another one
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// New makes a Cache that serves for [DefaultServeStale] without the
// database. It asks for the marks when a request needs them, until Start. Close
// it before the source.
func New(source Source, logger *zap.Logger) *Cache {
	d := &shared{
		source: source, logger: logger,
		changes:       newLatestChanges(),
		own:           newLatestChanges(),
		logins:        newMemory(loginWeight, func(_ string, l store.Login) int64 { return l.ID }),
		accessTokens:  newMemory(accessTokenWeight, func(_ string, t AccessToken) int64 { return t.ID }),
		refreshTokens: newMemory(refreshTokenWeight, func(_ string, l store.RefreshTokenLogin) int64 { return l.ID }),
		rights:        newMemory(rightsWeight, func(h holder, _ *access.Rights) int64 { return h.id }),
		federation:    newMemory(federationWeight, func(struct{}, store.Federation) int64 { return store.FederationID }),
		changed:       make(chan struct{}, 1),
		stop:          func() {},
	}
	d.rights.bytes = rightsBytes
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
// again, with nil and how long it was away, for every Cache that shares it. f
// must not block.
func (d *Cache) Observe(f func(away error, after time.Duration)) { d.observer.Store(&f) }

func (d *shared) tell(away error, after time.Duration) {
	if f := d.observer.Load(); f != nil {
		(*f)(away, after)
	}
}

// With returns a Cache that serves for another time without the database
// and shares everything else. Zero is the default, a negative time is not at
// all.
func (d *Cache) With(serveStale time.Duration) *Cache {
	if serveStale == 0 {
		serveStale = DefaultServeStale
	}
	return &Cache{shared: d.shared, serveStale: serveStale}
}

// Close ends what goes on in the background, for every Cache that shares
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

// CachedLogin is what is in memory of a user or robot and holds still, without
// a query.
func (d *Cache) CachedLogin(ctx context.Context, name string) (store.Login, bool) {
	k, err := d.confirm(ctx)
	if e, ok := d.logins.get(name); ok && d.holds(e.stamp, e.value.ID, k, err) {
		d.logins.hits.Add(1)
		return e.value, true
	}
	return store.Login{}, false
}

// AccessToken is an access token and its owner.
type AccessToken struct {
	store.AccessTokenLogin
	// Narrow is what the scopes of the token leave of its owner's rights, nil
	// when it has none and leaves all.
	Narrow *access.Rights
}

// AccessToken finds an access token and its owner. Errors: [store.ErrNotFound],
// [ErrUnavailable].
func (d *Cache) AccessToken(ctx context.Context, id string) (AccessToken, error) {
	if t, ok := recall(ctx, d, d.accessTokens, id); ok {
		return t, nil
	}
	return lookUp(ctx, d, d.accessTokens, id, true, func(ctx context.Context) (AccessToken, error) {
		return d.readAccessToken(ctx, id)
	})
}

func (d *shared) readAccessToken(ctx context.Context, id string) (AccessToken, error) {
	login, err := d.source.AccessTokenLogin(ctx, id)
	t := AccessToken{AccessTokenLogin: login}
	if len(login.Scopes) > 0 {
		t.Narrow = access.NewRights(login.Ref.Name, login.Scopes)
	}
	return t, err
}

// RefreshToken finds a refresh token and its owner. Its last use may be behind
// by a minute more than [store.RefreshTokenLogin] says. Errors:
// [store.ErrNotFound], [ErrUnavailable].
func (d *Cache) RefreshToken(ctx context.Context, id string) (store.RefreshTokenLogin, error) {
	if l, ok := recall(ctx, d, d.refreshTokens, id); ok {
		return l, nil
	}
	return lookUp(ctx, d, d.refreshTokens, id, true, func(ctx context.Context) (store.RefreshTokenLogin, error) {
		return d.source.RefreshTokenLogin(ctx, id)
	})
}

// holder is whose rights are in memory: its name is in them, where a permission
// has {username}. A request without credentials has neither; no subject has 0
// as its id.
type holder struct {
	id       int64
	username string
}

// Rights is what a user or robot may do once it is logged in. It returns
// [ErrUnavailable].
func (d *Cache) Rights(ctx context.Context, id int64, ref subject.Ref) (*access.Rights, error) {
	return d.rightsOf(ctx, holder{id, ref.Name})
}

// AnonymousRights is what a request without credentials may do. It returns
// [ErrUnavailable].
func (d *Cache) AnonymousRights(ctx context.Context) (*access.Rights, error) {
	return d.rightsOf(ctx, holder{})
}

func (d *Cache) rightsOf(ctx context.Context, h holder) (*access.Rights, error) {
	if rights, ok := recall(ctx, d, d.rights, h); ok {
		return rights, nil
	}
	return lookUp(ctx, d, d.rights, h, true, func(ctx context.Context) (*access.Rights, error) {
		return d.readRights(ctx, h)
	})
}

// Federation is all issuers, bindings and keys of issuers. Do not change it. What
// the keys say of when an issuer was asked may be behind. It returns
// [ErrUnavailable].
func (d *Cache) Federation(ctx context.Context) (store.Federation, error) {
	return lookUp(ctx, d, d.federation, struct{}{}, true, d.source.Federation)
}

// readRights reads what a subject may do, and makes it ready to answer requests.
func (d *shared) readRights(ctx context.Context, h holder) (*access.Rights, error) {
	var (
		effective []store.Effective
		err       error
	)
	if h == (holder{}) {
		effective, err = d.source.AnonymousPermissions(ctx)
	} else {
		effective, err = d.source.EffectivePermissionsByID(ctx, h.id, subject.Ref{Kind: subject.User, Name: h.username})
	}
	if err != nil {
		return nil, err
	}
	permissions := make([]access.Permission, len(effective))
	for i, e := range effective {
		permissions[i] = e.Permission
	}
	return access.NewRights(h.username, permissions), nil
}

// readTimeout bounds one question to the database.
const readTimeout = 3 * time.Second

// recall is what is in memory and still true, while the database answers.
func recall[K comparable, V any](ctx context.Context, d *Cache, m *memory[K, V], key K) (V, bool) {
	k, unconfirmed := d.confirm(ctx)
	if unconfirmed == nil && d.failing.Load() == nil {
		if e, ok := m.get(key); ok && d.holds(e.stamp, m.subject(key, e.value), k, nil) {
			m.hits.Add(1)
			return e.value, true
		}
	}
	var none V
	return none, false
}

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
		m.hits.Add(1)
		return e.value, nil
	}
	m.misses.Add(1)
	var none V
	if away != nil {
		return none, fmt.Errorf("%w: %w", ErrUnavailable, away.err)
	}
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	s := d.stampNow()
	value, err := hedged.Do(reading, hedged.ReadAgain, read)
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
