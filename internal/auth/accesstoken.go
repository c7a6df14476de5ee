package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// Limits of one access token.
const (
	maxScopes   = 64
	maxNetworks = 64
	// userTokens is how many access tokens that are not expired a user has at
	// most.
	userTokens = 100
)

// ErrTokenRequest is returned for an access token that cannot be made as it is
// asked for.
var ErrTokenRequest = errors.New("invalid access token")

// byAccessToken proves a user or robot by an access token. Wrong ones are not
// counted: there is nothing to guess.
func (a *Authenticator) byAccessToken(ctx context.Context, service, username string, token opaque.Token) (Principal, error) {
	found := attemptOf(ctx)
	found.TokenID = token.ID()
	login, err := a.cache.AccessToken(ctx, token.ID())
	if errors.Is(err, store.ErrNotFound) {
		found.Fault = "no such access token"
		return Principal{}, ErrInvalidCredentials
	}
	if err != nil {
		return Principal{}, err
	}
	found.Subject = login.Ref
	origin, now := OriginOf(ctx), a.store.Now()
	previous := token.Matches(login.PreviousHash) && now.Before(login.PreviousUntil)
	if !token.Matches(login.Hash) && !previous {
		found.Fault = "wrong secret of an access token"
		return Principal{}, ErrInvalidCredentials
	}
	if login.Session != nil {
		return a.bySession(ctx, service, username, sessionSecret{
			token: token, login: login.Login, expiresAt: login.ExpiresAt, session: login.Session, scopes: login.Scopes, narrow: login.Narrow,
		})
	}
	if fault := accessTokenFault(login.AccessTokenLogin, username, origin, now); fault != "" {
		// The client has the secret: an administrator who reads the log may tell it why.
		found.Fault = "access token: " + fault
		a.logger.Debug("access token refused", zap.String("id", token.ID()), zap.Stringer("subject", login.Ref), zap.String("because", fault))
		return Principal{}, ErrInvalidCredentials
	}
	a.uses.accessToken(token.ID(), origin)
	principal := principalOf(login.Login, ByAccessToken)
	principal.Credential = store.Credential{ID: token.ID(), Limits: store.Limits{Networks: login.Networks, ExpiresAt: login.ExpiresAt}}
	if previous && (login.ExpiresAt.IsZero() || login.PreviousUntil.Before(login.ExpiresAt)) {
		principal.Credential.ExpiresAt = login.PreviousUntil
	}
	if principal.Scopes, principal.Narrow = login.Scopes, login.Narrow; len(principal.Scopes) > 0 {
		principal.Admin = false
	}
	return principal, nil
}

// accessTokenFault says why a token with the right secret is refused, or
// nothing.
func accessTokenFault(login store.AccessTokenLogin, username string, origin Origin, now time.Time) string {
	switch {
	case login.Ref.Name != username:
		return "it is used under another name than its owner's"
	case login.Disabled:
		return "its owner is disabled"
	case !login.ExpiresAt.IsZero() && !now.Before(login.ExpiresAt):
		return "it is expired"
	case len(login.Networks) > 0 && !slices.ContainsFunc(login.Networks, func(n netip.Prefix) bool { return n.Contains(origin.Address) }):
		return "it is used from " + origin.address() + ", where it may not be used"
	default:
		return ""
	}
}

// TokenRequest says what access token to make.
type TokenRequest struct {
	Owner subject.Ref
	// Name distinguishes the tokens of one owner. It has the form of a
	// subject's name. Default: one made of the date.
	Name string
	// Scopes narrow what the owner may do; see [Principal]. Such a token opens
	// no admin API.
	Scopes []access.Permission
	// Networks are where the token may be used from. Default: everywhere, or
	// wherever the credential may be used that makes it.
	Networks []netip.Prefix
	// ExpiresAt is zero for a token that lives as long as is allowed, and as the
	// credential that makes it.
	ExpiresAt time.Time
}

// CreateAccessToken makes an access token. The secret in it is shown this once:
// it is not stored. Errors: [ErrTokenRequest], and those of
// [store.Store.CreateAccessToken].
func (a *Authenticator) CreateAccessToken(ctx context.Context, r TokenRequest) (store.AccessToken, opaque.Token, error) {
	if err := r.validate(); err != nil {
		return store.AccessToken{}, opaque.Token{}, err
	}
	expiresAt, err := a.expiry(r.ExpiresAt)
	if err != nil {
		return store.AccessToken{}, opaque.Token{}, err
	}
	token := opaque.New(opaque.Access)
	created, err := a.store.CreateAccessToken(ctx, store.NewAccessToken{
		ID: token.ID(), Owner: r.Owner, Name: r.Name, Hash: token.Hash(),
		Scopes: r.Scopes, Networks: masked(r.Networks), ExpiresAt: expiresAt, Shorten: r.ExpiresAt.IsZero(),
		MaxLive: a.maxLive(r.Owner.Kind),
	})
	if err != nil {
		return store.AccessToken{}, opaque.Token{}, err
	}
	return created, token, nil
}

func (r TokenRequest) validate() error {
	if err := subject.ValidateName(r.Name); r.Name != "" && err != nil {
		return fmt.Errorf("%w: its name: %w", ErrTokenRequest, err)
	}
	if len(r.Scopes) > maxScopes || len(r.Networks) > maxNetworks {
		return fmt.Errorf("%w: %d scopes and %d networks, at most %d and %d are allowed",
			ErrTokenRequest, len(r.Scopes), len(r.Networks), maxScopes, maxNetworks)
	}
	for _, scope := range r.Scopes {
		if err := scope.Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrTokenRequest, err)
		}
	}
	for _, network := range r.Networks {
		if !network.IsValid() || network.Addr().Zone() != "" || network.Addr().Is4In6() {
			return fmt.Errorf("%w: %q is no network: write 10.0.0.0/8 or 2001:db8::/32", ErrTokenRequest, network)
		}
	}
	return nil
}

func masked(networks []netip.Prefix) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(networks))
	for _, network := range networks {
		if network = network.Masked(); !slices.Contains(all, network) {
			all = append(all, network)
		}
	}
	return all
}

func (a *Authenticator) maxLive(kind subject.Kind) int {
	if kind == subject.Robot {
		return a.options.RobotTokens
	}
	return userTokens
}

// expiry is when a token expires that is to expire at a time, or zero for
// never.
func (a *Authenticator) expiry(at time.Time) (time.Time, error) {
	now, longest := a.store.Now(), a.options.AccessTokenLife
	switch {
	case at.IsZero() && longest == 0:
		return time.Time{}, nil
	case at.IsZero():
		return now.Add(longest), nil
	case !at.After(now):
		return time.Time{}, fmt.Errorf("%w: it would expire at %s, which is over", ErrTokenRequest, at.UTC().Format(time.RFC3339))
	case longest != 0 && at.Sub(now) > longest+time.Minute: // "90d" takes a moment to get here
		return time.Time{}, fmt.Errorf("%w: it would expire at %s, and access tokens live for %s at most here",
			ErrTokenRequest, at.UTC().Format(time.RFC3339), longest)
	default:
		return at, nil
	}
}

// RotateAccessToken replaces the secret of an access token; its id stays. The
// secret before keeps working for the time of grace. The expiry stays when
// expiresAt is nil, unless it is later than is allowed by now. Errors:
// [ErrTokenRequest], also for a token that has expired; [store.ErrNotFound].
func (a *Authenticator) RotateAccessToken(ctx context.Context, id string, grace time.Duration, expiresAt *time.Time) (store.AccessToken, opaque.Token, error) {
	if err := opaque.ValidateID(id); err != nil {
		return store.AccessToken{}, opaque.Token{}, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	if grace < 0 {
		return store.AccessToken{}, opaque.Token{}, fmt.Errorf("%w: a time of grace of %s: give one that is not negative", ErrTokenRequest, grace)
	}
	if longest := a.options.AccessTokenLife; longest != 0 && grace > longest {
		return store.AccessToken{}, opaque.Token{}, fmt.Errorf("%w: a time of grace of %s: access tokens live for %s at most here", ErrTokenRequest, grace, longest)
	}
	expiresAt, err := a.rotatedExpiry(ctx, id, expiresAt)
	if err != nil {
		return store.AccessToken{}, opaque.Token{}, err
	}
	token := opaque.WithNewSecret(opaque.Access, id)
	rotation := store.Rotation{Hash: token.Hash(), ExpiresAt: expiresAt}
	if grace > 0 {
		rotation.PreviousUntil = a.store.Now().Add(grace)
	}
	rotated, err := a.store.RotateAccessToken(ctx, id, rotation)
	switch {
	case errors.Is(err, store.ErrExpired):
		return store.AccessToken{}, opaque.Token{}, fmt.Errorf("%w: %w: revoke it and make another", ErrTokenRequest, err)
	case err != nil:
		return store.AccessToken{}, opaque.Token{}, err
	}
	return rotated, token, nil
}

// rotatedExpiry is when a token expires from its rotation on, nil for the time
// that it has. A ceiling holds for tokens that are older than it as well: a new
// secret must not live longer than one of a new token.
func (a *Authenticator) rotatedExpiry(ctx context.Context, id string, asked *time.Time) (*time.Time, error) {
	if asked != nil {
		at, err := a.expiry(*asked)
		return &at, err
	}
	longest := a.options.AccessTokenLife
	if longest == 0 {
		return nil, nil //nolint:nilnil // nil leaves it as it is
	}
	current, err := a.store.AccessToken(ctx, id)
	if err != nil {
		return nil, err
	}
	latest := a.store.Now().Add(longest)
	if !current.ExpiresAt.IsZero() && !current.ExpiresAt.After(latest) {
		return nil, nil //nolint:nilnil // nil leaves it as it is
	}
	return &latest, nil
}
