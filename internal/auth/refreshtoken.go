package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/internal/auth/passwords"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
)

const (
	// anyService is no name of a service.
	anyService = ""
	// tokenUsername is what docker and its credential helpers give as
	// username when they have a refresh token.
	tokenUsername = "<token>"
	// issueTimeout is how long a login waits for its refresh token to be written:
	// another process may hold a lock in the database.
	issueTimeout = 2 * time.Second
)

// ErrRefreshTokensOff is an [ErrInvalidCredentials] for a refresh token where only
// jobs have some.
var ErrRefreshTokensOff = fmt.Errorf("%w: refresh tokens are off", ErrInvalidCredentials)

// Refresh proves a user, or the robot of a session, by a refresh token of a service.
// Errors: [ErrInvalidCredentials], also [ErrRefreshTokensOff], or what the store or
// ctx says.
func (a *Authenticator) Refresh(ctx context.Context, service, text string) (Principal, error) {
	token, err := opaque.Parse(text)
	if err != nil || token.Kind() != opaque.Refresh {
		return Principal{}, a.refreshTokenRefused()
	}
	principal, err := a.byRefreshToken(ctx, service, "", token)
	if err != nil {
		return Principal{}, passwords.UnlessUnavailable(a.cache, err)
	}
	return observed(ctx, principal), nil
}

// byRefreshToken proves a user by a refresh token. Wrong ones are not counted:
// there is nothing to guess.
func (a *Authenticator) byRefreshToken(ctx context.Context, service, username string, token opaque.Token) (Principal, error) {
	found := attemptOf(ctx)
	found.TokenID = token.ID()
	login, err := a.cache.RefreshToken(ctx, token.ID())
	if errors.Is(err, store.ErrNotFound) {
		found.Fault = "no such refresh token: it was revoked, or its owner logged in too often"
		return Principal{}, a.refreshTokenRefused()
	}
	if err != nil {
		return Principal{}, err
	}
	found.Subject = login.Ref
	if login.Session != nil && token.Matches(login.Hash) {
		return a.bySession(ctx, service, username, sessionSecret{token: token, login: login.Login, expiresAt: login.ExpiresAt, session: login.Session})
	}
	if found.Fault = a.refreshTokenFault(login, service, username, token); found.Fault != "" {
		return Principal{}, a.refreshTokenRefused()
	}
	a.uses.refreshToken(token.ID(), OriginOf(ctx))
	principal := principalOf(login.Login, ByRefreshToken)
	principal.Credential = store.Credential{ID: token.ID(), Limits: store.Limits{ExpiresAt: login.ExpiresAt}}
	return principal, nil
}

// refreshTokenRefused is the error for a refresh token that is none of a session.
func (a *Authenticator) refreshTokenRefused() error {
	if !a.options.RefreshTokens {
		return ErrRefreshTokensOff
	}
	return ErrInvalidCredentials
}

// refreshTokenFault says why a refresh token is refused, or nothing.
func (a *Authenticator) refreshTokenFault(login store.RefreshTokenLogin, service, username string, token opaque.Token) string {
	now := a.store.Now()
	switch {
	case !token.Matches(login.Hash), login.Kind != store.RefreshLogin:
		return "wrong secret of a refresh token"
	case !a.options.RefreshTokens:
		return "refresh token: refresh tokens are off for people"
	case username != "" && username != tokenUsername && username != login.Ref.Name:
		return "refresh token: it is used under another name than its owner's"
	case service != anyService && service != login.Service:
		return "refresh token: it is one of another service"
	case login.Disabled:
		return "refresh token: its owner is disabled"
	case !now.Before(login.ExpiresAt):
		return "refresh token: it is expired"
	case now.Sub(login.LastUsedAt) >= a.options.RefreshTokenIdle && !a.uses.pendingRefreshToken(token.ID()):
		return "refresh token: it was not used for too long"
	default:
		return ""
	}
}

// IssueRefreshToken makes a refresh token of a service for a principal that was
// authenticated by a password just now, or by the token of an issuer: that of a
// session. There is none, without an error, when refresh
// tokens are off for people, or for another method: an access token can be kept as it is,
// and its limits must not be lost. The same holds for a password that is good
// in some networks only, and for a job when the store takes no changes.
// [ErrInvalidCredentials] is returned when the password, or what the token was judged by,
// was changed in the meantime, and [store.ErrLate] within two seconds when the
// store takes no changes: without a token, docker would keep the password.
func (a *Authenticator) IssueRefreshToken(ctx context.Context, p Principal, service string) (string, error) {
	if p.Method == ByIssuerToken {
		return a.refreshTokenOfJob(ctx, p, service)
	}
	if !a.options.RefreshTokens || p.Method != ByPassword || len(p.Credential.Networks) > 0 {
		return "", nil
	}
	expiresAt := a.store.Now().Add(a.options.RefreshTokenLife)
	if limit := p.Credential.ExpiresAt; !limit.IsZero() && limit.Before(expiresAt) {
		expiresAt = limit
	}
	if away := a.cache.Unavailable(); away != nil {
		return "", away
	}
	token, origin := opaque.New(opaque.Refresh), OriginOf(ctx)
	writing, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	err := a.store.CreateRefreshToken(writing, store.NewRefreshToken{
		ID: token.ID(), OwnerID: p.ID, PasswordHash: p.passwordHash, Service: service, Hash: token.Hash(),
		Client: origin.Client, Address: origin.address(), ExpiresAt: expiresAt,
	})
	if errors.Is(err, store.ErrStale) {
		return "", ErrInvalidCredentials
	}
	if err != nil {
		return "", err
	}
	return token.Reveal(), nil
}
