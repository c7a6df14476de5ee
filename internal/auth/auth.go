// Package auth proves who asks: by a password, an access token or a refresh
// token.
//
// A password is expensive to check, on purpose, so the package does that at
// most once a minute for one that is right, on fewer cores than there are, and
// ever slower for whoever guesses. Access tokens and refresh tokens are random
// and cheap to check: they wait for nothing of this.
package auth

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

var (
	// ErrInvalidCredentials is returned for a wrong password, an unknown name
	// and a disabled subject alike: who asks must not learn which it was. A
	// [ThrottledError] is one, too.
	ErrInvalidCredentials = errors.New("invalid username or password")
	// ErrBusy is returned when too many passwords wait to be checked, from where
	// the request comes or altogether. It may pass a little later.
	ErrBusy = errors.New("too many logins at once")
)

// Method is how a subject proved who it is.
type Method string

const (
	// ByPassword is a user's password.
	ByPassword Method = "password"
	// ByAccessToken is an access token.
	ByAccessToken Method = "access token"
	// ByRefreshToken is a refresh token.
	ByRefreshToken Method = "refresh token"
)

// Principal is a subject that has proved who it is.
type Principal struct {
	ID  int64
	Ref subject.Ref
	// Admin opens the admin API. An access token with scopes never does.
	Admin  bool
	Method Method
	// Scopes narrow what the subject may do this time: nothing that is not
	// among them. Without any, it may do all that it may do.
	Scopes []access.Permission
	// Credential limits what the subject makes. It is zero for a password that
	// no token set.
	Credential store.Credential

	// passwordHash is what the password was checked against.
	passwordHash string
}

func principalOf(login store.Login, method Method) Principal {
	p := Principal{
		ID: login.ID, Ref: login.Ref, Admin: login.Admin, Method: method, passwordHash: login.PasswordHash,
	}
	if method == ByPassword && login.PasswordMadeBy != "" {
		p.Credential = store.Credential{ID: login.PasswordMadeBy, Password: true, Limits: login.PasswordLimits}
	}
	return p
}

// usable is a login without its password where and when that is not good: it is
// refused as if there were none.
func usable(login store.Login, o Origin, now time.Time) store.Login {
	if !login.PasswordLimits.Allow(o.Address, now) {
		login.PasswordHash = ""
	}
	return login
}

// Authenticator checks credentials against a store. While that does not answer,
// it proves who it can from memory and says [cache.ErrUnavailable] of
// everybody else, whatever the reason.
type Authenticator struct {
	*shared
	cache   *cache.Cache
	options Options
}

// shared is what the Authenticators of one store have in common.
type shared struct {
	store   *store.Store
	logger  *zap.Logger
	hasher  *hasher
	compare func(hash, pw string) (bool, error)
	decoys  *decoys
	// checks and refusals are how long the last of them took.
	checks, refusals *pastTimes
	// verifiedPasswords are the right passwords, wrong are those that were counted.
	verified, wrong *verifiedPasswords
	unsettled       *unsettled
	networks        *networks
	lookups         *queue
	room            *room
	guard           *guard
	uses            *uses

	lockedOut atomic.Pointer[func(Lockout)] // or nil
}

// New makes an Authenticator with the default [Options]. The directory is one
// of the store. Close the Authenticator before both.
func New(s *store.Store, d *cache.Cache, logger *zap.Logger) *Authenticator {
	return &Authenticator{
		cache: d,
		shared: &shared{
			store: s, logger: logger,
			hasher: newHasher(), compare: password.Verify, decoys: &decoys{store: s, away: d.Unavailable, logger: logger},
			checks: newPastTimes(), refusals: newPastTimes(), verified: newProofs(), wrong: newProofs(), unsettled: newUnsettled(),
			networks: newNetworks(s, d.Unavailable), lookups: newQueue(maxLookups), room: newRoom(), guard: newGuard(s, d, logger), uses: newUses(s, logger),
		},
		options: Options{}.withDefaults(),
	}
}

// With returns an Authenticator with other options that shares everything else:
// what is remembered, what waits and what was used. Options that make no sense
// are an error.
func (a *Authenticator) With(options Options) (*Authenticator, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	options = options.withDefaults()
	return &Authenticator{shared: a.shared, cache: a.cache.With(options.ServeStale), options: options}, nil
}

// ClearLockout is [store.Store.ClearLockout] that also forgets what is counted
// in memory because the store took no changes.
func (a *Authenticator) ClearLockout(ctx context.Context, owner subject.Ref, network string) (int64, error) {
	var cleared int64
	more, err := a.guard.clear(owner.Name, network, func() (err error) {
		cleared, err = a.store.ClearLockout(ctx, owner, network)
		return err
	})
	return cleared + more, err
}

// Directory is what the Authenticator knows subjects by.
func (a *Authenticator) Directory() *cache.Cache { return a.cache }

// Options are the options of the Authenticator, with all defaults filled in.
func (a *Authenticator) Options() Options { return a.options }

// Close writes down what was not recorded yet. Every Authenticator that shares
// a store is closed at once.
func (a *Authenticator) Close() {
	const timeout = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	a.guard.writer.close(ctx)
	a.uses.close(ctx)
}

// Authenticate checks a name and a password as they come by HTTP Basic. The
// password may be an access token or, under an empty name or "<token>" as well
// as under its owner's, a refresh token of any service. Errors:
// [ErrInvalidCredentials], [ErrBusy], or what the store or ctx says. Every
// wrong password takes as long as any other. Names are lower-case only, so the
// case in which one is typed makes no difference to anything.
func (a *Authenticator) Authenticate(ctx context.Context, username, pw string) (Principal, error) {
	return a.AuthenticateAt(ctx, anyService, username, pw)
}

// AuthenticateAt is [Authenticator.Authenticate] for a service: a refresh token
// must be one of that service.
func (a *Authenticator) AuthenticateAt(ctx context.Context, service, username, pw string) (principal Principal, err error) {
	username = subject.FoldName(username)
	token, noToken := opaque.Parse(pw)
	switch {
	case noToken != nil:
		principal, err = a.byPassword(ctx, username, pw)
	case token.Kind() == opaque.Refresh:
		principal, err = a.byRefreshToken(ctx, service, username, token)
	default:
		principal, err = a.byAccessToken(ctx, username, token)
	}
	if err != nil {
		return Principal{}, a.unlessAway(err)
	}
	return observed(ctx, principal), nil
}

// unlessAway takes a refusal back while the database does not answer: what is
// in memory proves that somebody is right, and of others nobody knows. All of
// them are answered alike, so that it does not show who is in memory.
func (a *Authenticator) unlessAway(err error) error {
	if errors.Is(err, ErrInvalidCredentials) {
		if away := a.cache.Unavailable(); away != nil {
			return away
		}
	}
	return err
}

// found is a login, which is empty for a name that is unknown or cannot be
// looked up: nothing can prove that.
type found struct {
	store.Login
	// asOf is when it was read.
	asOf cache.Version
	// away is why the name could not be looked up. No password for it is wrong.
	away error
}

func (a *Authenticator) lookUp(ctx context.Context, username string) (found, error) {
	asOf := a.cache.Version()
	if !couldBeName(username) {
		return found{asOf: asOf}, nil
	}
	login, err := a.cache.Login(ctx, username)
	switch {
	case err == nil:
		return found{Login: usable(login, OriginOf(ctx), a.store.Now()), asOf: asOf}, nil
	case errors.Is(err, store.ErrNotFound):
		return found{asOf: asOf}, nil
	case errors.Is(err, cache.ErrUnavailable):
		return found{away: err}, nil
	default:
		return found{}, err
	}
}

// lookUpAgain is lookUp for a name that was looked up before. It reads again only
// when something has changed since, whoever it concerns: that shows no one.
func (a *Authenticator) lookUpAgain(ctx context.Context, username string, before found) (found, error) {
	if before.away != nil || !a.cache.Unchanged(ctx, before.asOf) {
		return a.lookUp(ctx, username)
	}
	before.Login = usable(before.Login, OriginOf(ctx), a.store.Now())
	return before, nil
}

func couldBeName(username string) bool { return subject.ValidateName(username) == nil }

// ThrottledError is an [ErrInvalidCredentials] for credentials that were not
// looked at, because too many before them were wrong.
type ThrottledError struct {
	// RetryAfter is when it makes sense to try again.
	RetryAfter time.Duration
}

// Error implements error. It may be shown to whoever asks: that something is
// throttled says nothing about whether the name exists.
func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many wrong passwords for this user: try again in %s", inWords(e.RetryAfter))
}

// Is makes a ThrottledError an [ErrInvalidCredentials].
func (*ThrottledError) Is(target error) bool { return target == ErrInvalidCredentials }

// inWords rounds up to minutes, or to seconds below one.
func inWords(d time.Duration) string {
	count, unit := int64((d+time.Minute-1)/time.Minute), "minute"
	if d <= time.Minute {
		count, unit = max(1, int64((d+time.Second-1)/time.Second)), "second"
	}
	if count == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", count, unit)
}
