// Package auth authenticates clients: by a password, an access token, a refresh
// token or a token that a trusted issuer signed. Passwords are checked by package
// passwords. Access tokens and refresh tokens are random and cheap to check, as
// signatures are: they wait for nothing there.
package auth

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/auth/passwords"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/federation/verifier"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// What callers of an [Authenticator] need to know of package passwords.
var (
	// ErrInvalidCredentials is returned for every credential that is refused: see
	// [passwords.ErrInvalidCredentials].
	ErrInvalidCredentials = passwords.ErrInvalidCredentials
	// ErrBusy is [passwords.ErrBusy].
	ErrBusy = passwords.ErrBusy
)

type (
	// ThrottledError is [passwords.ThrottledError].
	ThrottledError = passwords.ThrottledError
	// Lockout is [passwords.Lockout].
	Lockout = passwords.Lockout
)

// Authenticator checks credentials against a store. While that does not answer,
// it accepts the credentials that memory proves right and refuses all others with
// [cache.ErrUnavailable].
type Authenticator struct {
	*shared
	cache     *cache.Cache
	passwords *passwords.Checker
	verifier  *verifier.Verifier
	options   Options
}

// shared is what the Authenticators of one store have in common.
type shared struct {
	store   *store.Store
	logger  *zap.Logger
	uses    *uses
	issuers *issuers
}

// New makes an Authenticator with the default [Options]. The cache is one
// of the store. Close the Authenticator before both.
func New(s *store.Store, d *cache.Cache, logger *zap.Logger) *Authenticator {
	return newAuthenticator(s, d, logger, password.Verify)
}

func newAuthenticator(s *store.Store, d *cache.Cache, logger *zap.Logger, verify func(hash, password string) (bool, error)) *Authenticator {
	uses, issuers := newUses(s, logger), newIssuers(s, d, logger)
	return &Authenticator{
		shared:    &shared{store: s, logger: logger, uses: uses, issuers: issuers},
		verifier:  issuers.verifier,
		cache:     d,
		passwords: passwords.New(passwords.Config{Store: s, Cache: d, Logger: logger, Verify: verify, LoggedIn: uses.network}),
		options:   Options{}.withDefaults(),
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
	d := a.cache.With(options.ServeStale)
	checker, err := a.passwords.With(d, options.Passwords)
	if err != nil {
		return nil, err
	}
	return &Authenticator{shared: a.shared, cache: d, passwords: checker, verifier: a.verifier.With(a.issuers.trusted(d)), options: options}, nil
}

// Start keeps the keys of issuers fresh until Close.
func (a *Authenticator) Start() { a.issuers.start() }

// AwayIssuers says since when which issuers do not answer, as of a moment ago.
func (a *Authenticator) AwayIssuers() map[string]time.Time {
	away := make(map[string]time.Time)
	if listed := a.issuers.listed.Load(); listed != nil {
		for _, issuer := range *listed {
			if !issuer.AwaySince.IsZero() {
				away[issuer.Name] = issuer.AwaySince
			}
		}
	}
	return away
}

// Lockouts is [passwords.Checker.Lockouts].
func (a *Authenticator) Lockouts(ctx context.Context) ([]Lockout, error) {
	return a.passwords.Lockouts(ctx)
}

// ClearLockout is [passwords.Checker.ClearLockout].
func (a *Authenticator) ClearLockout(ctx context.Context, owner subject.Ref, network string) (int64, error) {
	return a.passwords.ClearLockout(ctx, owner, network)
}

// ObserveLockouts is [passwords.Checker.ObserveLockouts].
func (a *Authenticator) ObserveLockouts(f func(Lockout)) { a.passwords.ObserveLockouts(f) }

// Cache is what the Authenticator knows subjects by.
func (a *Authenticator) Cache() *cache.Cache { return a.cache }

// Options are the options of the Authenticator, with all defaults filled in.
func (a *Authenticator) Options() Options { return a.options }

// Close writes down what was not recorded yet. Every Authenticator that shares
// a store is closed at once.
func (a *Authenticator) Close() {
	const timeout = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	a.issuers.close(ctx)
	a.passwords.Close(ctx)
	a.uses.close(ctx)
}

// Authenticate checks a name and a password as they come by HTTP Basic. The
// password may be an access token or, under an empty name or "<token>" as well
// as under its owner's, a refresh token of any service. Errors:
// [ErrInvalidCredentials], [ErrBusy], or what the store or ctx says. A token of an
// issuer is for a service: see [Authenticator.AuthenticateAt]. Every
// wrong password takes as long as any other. Names are lower-case only, so the
// case in which one is typed makes no difference to anything.
func (a *Authenticator) Authenticate(ctx context.Context, username, pw string) (Principal, error) {
	return a.AuthenticateAt(ctx, anyService, username, pw)
}

// AuthenticateAt is [Authenticator.Authenticate] for a service: a refresh token
// must be one of that service. The password may also be a token that an issuer
// signed for the service, under the name of a robot or [verifier.AnyRobot]; the error
// may be an [IssuerTokenError] then.
func (a *Authenticator) AuthenticateAt(ctx context.Context, service, username, pw string) (principal Principal, err error) {
	username = subject.FoldName(username)
	token, noToken := opaque.Parse(pw)
	switch {
	case noToken != nil:
		principal, err = a.byPasswordOrIssuerToken(ctx, service, username, pw)
	case token.Kind() == opaque.Page:
		attemptOf(ctx).Fault = "the session of a browser at the page: it opens nothing else"
		err = ErrInvalidCredentials
	case token.Kind() == opaque.Refresh:
		principal, err = a.byRefreshToken(ctx, service, username, token)
	default:
		principal, err = a.byAccessToken(ctx, service, username, token)
	}
	if err != nil {
		return Principal{}, passwords.UnlessUnavailable(a.cache, err)
	}
	return observed(ctx, principal), nil
}

// byPasswordOrIssuerToken proves a user by its password, or a robot by what is no
// password.
func (a *Authenticator) byPasswordOrIssuerToken(ctx context.Context, service, username, pw string) (Principal, error) {
	signed, err := a.verifier.Recognizes(ctx, verifier.Request{Token: pw, Service: service, Username: username})
	switch {
	case err != nil:
		return Principal{}, err
	case signed:
		return a.byIssuerToken(ctx, service, username, pw)
	default:
		return a.byPassword(ctx, username, pw)
	}
}

// byPassword proves a user by its password.
func (a *Authenticator) byPassword(ctx context.Context, username, pw string) (Principal, error) {
	result, err := a.passwords.Check(ctx, passwords.Request{Username: username, Password: pw, Address: OriginOf(ctx).Address})
	found := attemptOf(ctx)
	found.Subject, found.Fault = result.Subject, result.Fault
	if err != nil {
		return Principal{}, err
	}
	return principalOf(result.Login, ByPassword), nil
}
