package auth

import (
	"context"
	"errors"

	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
)

const (
	// anyService is no name of a service.
	anyService = ""
	// tokenUsername is what docker and its credential helpers give as
	// username when they have a refresh token.
	tokenUsername = "<token>"
)

// Refresh proves a user by a refresh token of a service. Errors:
// [ErrInvalidCredentials], or what the store or ctx says.
func (a *Authenticator) Refresh(ctx context.Context, service, text string) (Principal, error) {
	token, err := opaque.Parse(text)
	if err != nil || token.Kind() != opaque.Refresh {
		return Principal{}, ErrInvalidCredentials
	}
	principal, err := a.byRefreshToken(ctx, service, "", token)
	if err != nil {
		return Principal{}, a.unlessAway(err)
	}
	return observed(ctx, principal), nil
}

// byRefreshToken proves a user by a refresh token. Wrong ones are not counted:
// there is nothing to guess.
func (a *Authenticator) byRefreshToken(ctx context.Context, service, username string, token opaque.Token) (Principal, error) {
	if !a.options.RefreshTokens {
		return Principal{}, ErrInvalidCredentials
	}
	found := attemptOf(ctx)
	found.TokenID = token.ID()
	login, err := a.cache.RefreshToken(ctx, token.ID())
	if errors.Is(err, store.ErrNotFound) {
		found.Fault = "no such refresh token: it was revoked, or its owner logged in too often"
		return Principal{}, ErrInvalidCredentials
	}
	if err != nil {
		return Principal{}, err
	}
	found.Subject = login.Ref
	if found.Fault = a.refreshTokenFault(login, service, username, token); found.Fault != "" {
		return Principal{}, ErrInvalidCredentials
	}
	a.uses.refreshToken(token.ID(), OriginOf(ctx))
	principal := principalOf(login.Login, ByRefreshToken)
	principal.Credential = store.Credential{ID: token.ID(), Limits: store.Limits{ExpiresAt: login.ExpiresAt}}
	return principal, nil
}

// refreshTokenFault says why a refresh token is refused, or nothing.
func (a *Authenticator) refreshTokenFault(login store.RefreshTokenLogin, service, username string, token opaque.Token) string {
	now := a.store.Now()
	switch {
	case !token.Matches(login.Hash):
		return "wrong secret of a refresh token"
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

// IssueRefreshToken makes a refresh token of a service for who has just proved
// to be somebody by a password. There is none, without an error, when refresh
// tokens are off, or for another method: an access token can be kept as it is,
// and its limits must not be lost. The same holds for a password that is good
// in some networks only. [ErrInvalidCredentials] is returned when the password
// was changed in the meantime, and [store.ErrLate] within two seconds when the
// store takes no changes: without a token, docker would keep the password.
func (a *Authenticator) IssueRefreshToken(ctx context.Context, p Principal, service string) (string, error) {
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
	writing, cancel := context.WithTimeout(ctx, writeTimeout)
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
