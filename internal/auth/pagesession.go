package auth

import (
	"context"
	"errors"
	"time"

	"github.com/dockit-registry/dockit/internal/auth/passwords"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
)

const (
	// passwordAgainAfter is how long a password that was given at the page is enough
	// for what needs one.
	passwordAgainAfter = 5 * time.Minute
	// pageUseInterval is how often the last use of a session at the page is written
	// down at most.
	pageUseInterval = time.Minute
)

// PageSession is the session of a person at the page.
type PageSession struct {
	// ID is the part of the secret by which it is found. It is no secret.
	ID        string
	ExpiresAt time.Time
	// ProvedAt is when the password was given last.
	ProvedAt time.Time
}

// PasswordIsOld reports whether a person at the page gave the password too long ago
// for what needs one. It is false for every other method.
func (p Principal) PasswordIsOld(now time.Time) bool {
	return p.Page != nil && now.Sub(p.Page.ProvedAt) >= passwordAgainAfter
}

// BeginPageSession begins a session for a principal that was authenticated by a
// password just now, and returns its secret. Errors: [ErrInvalidCredentials] for
// another method, and when the password was changed in the meantime; or what the
// store or ctx says.
func (a *Authenticator) BeginPageSession(ctx context.Context, p Principal) (secret string, session PageSession, err error) {
	if p.Method != ByPassword {
		return "", PageSession{}, ErrInvalidCredentials
	}
	if away := a.cache.Unavailable(); away != nil {
		return "", PageSession{}, away
	}
	now := a.store.Now()
	token, origin := opaque.New(opaque.Page), OriginOf(ctx)
	session = PageSession{ID: token.ID(), ExpiresAt: now.Add(store.PageSessionLife), ProvedAt: now}
	if limit := p.Credential.ExpiresAt; !limit.IsZero() && limit.Before(session.ExpiresAt) {
		session.ExpiresAt = limit
	}
	writing, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	err = a.store.CreateRefreshToken(writing, store.NewRefreshToken{
		Kind: store.PageLogin, ID: token.ID(), OwnerID: p.ID, PasswordHash: p.passwordHash, Hash: token.Hash(),
		Client: origin.Client, Address: origin.address(), ExpiresAt: session.ExpiresAt,
	})
	if errors.Is(err, store.ErrStale) {
		return "", PageSession{}, ErrInvalidCredentials
	}
	if err != nil {
		return "", PageSession{}, err
	}
	return token.Reveal(), session, nil
}

// ByPageSession proves a user by the secret of a session at the page. Wrong ones are
// not counted: there is nothing to guess. Errors: [ErrInvalidCredentials], or what
// the store or ctx says.
func (a *Authenticator) ByPageSession(ctx context.Context, secret string) (Principal, error) {
	token, err := opaque.Parse(secret)
	if err != nil || token.Kind() != opaque.Page {
		return Principal{}, ErrInvalidCredentials
	}
	principal, err := a.byPageSession(ctx, token)
	if err != nil {
		return Principal{}, passwords.UnlessUnavailable(a.cache, err)
	}
	return observed(ctx, principal), nil
}

func (a *Authenticator) byPageSession(ctx context.Context, token opaque.Token) (Principal, error) {
	login, err := a.cache.RefreshToken(ctx, token.ID())
	if err == nil && a.isIdle(login) {
		// What is in memory of its last use may be behind, and another node may know.
		login, err = a.store.RefreshTokenLogin(ctx, token.ID())
	}
	if errors.Is(err, store.ErrNotFound) {
		return Principal{}, ErrInvalidCredentials
	}
	if err != nil {
		return Principal{}, err
	}
	now, origin := a.store.Now(), OriginOf(ctx)
	switch {
	case !token.Matches(login.Hash), login.Kind != store.PageLogin, login.Disabled, !now.Before(login.ExpiresAt),
		a.isIdle(login), !login.PasswordLimits.Allow(origin.Address, now):
		return Principal{}, ErrInvalidCredentials
	}
	if now.Sub(login.LastUsedAt) >= pageUseInterval {
		a.uses.page(token.ID(), origin)
	}
	principal := principalOf(login.Login, ByPage)
	principal.Page = &PageSession{ID: token.ID(), ExpiresAt: login.ExpiresAt, ProvedAt: login.ProvedAt}
	return principal, nil
}

// isIdle reports whether a session at the page was not used for too long, as far as
// this node knows.
func (a *Authenticator) isIdle(login store.RefreshTokenLogin) bool {
	return a.store.Now().Sub(login.LastUsedAt) >= store.PageSessionIdle
}

// ProvePageSession notes that the person of a session gave the password once more:
// proof is what came of that. Errors: [ErrInvalidCredentials] when that is another
// subject, or the session is over; or what the store or ctx says.
func (a *Authenticator) ProvePageSession(ctx context.Context, p, proof Principal) error {
	if p.Page == nil || proof.Method != ByPassword || proof.ID != p.ID {
		return ErrInvalidCredentials
	}
	err := a.store.ProvePageSession(ctx, p.Page.ID, p.ID, proof.passwordHash)
	if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound) {
		return ErrInvalidCredentials
	}
	return err
}

// EndPageSession signs a person out.
func (a *Authenticator) EndPageSession(ctx context.Context, p Principal) error {
	if p.Page == nil {
		return nil
	}
	return a.store.EndPageSession(ctx, p.Page.ID, p.ID)
}
