package auth

import (
	"context"
	"errors"

	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
)

var (
	// ErrUnknownToken is returned for what is no token, or none any more.
	ErrUnknownToken = errors.New("unknown token")
	// ErrNotRevocable is returned for a token that its secret does not end.
	ErrNotRevocable = errors.New("an access token is not revoked by its secret")
)

// Revoke ends what a client logged in with and has the secret of: a session, or the
// docker login of a person. It does not end the access token of a user or robot: many
// machines may share that, everything that it made would go as well, and each of them
// could do that to all others. Errors: [ErrUnknownToken], [ErrNotRevocable], or what
// the store or ctx says.
func (a *Authenticator) Revoke(ctx context.Context, text string) error {
	token, err := opaque.Parse(text)
	if err != nil {
		return ErrUnknownToken
	}
	attemptOf(ctx).TokenID = token.ID()
	if token.Kind() == opaque.Refresh {
		err = a.revokeRefreshToken(ctx, token)
	} else {
		err = a.revokeAccessToken(ctx, token)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = ErrUnknownToken
	case err == nil, errors.Is(err, ErrNotRevocable):
		return err
	}
	if errors.Is(err, ErrUnknownToken) {
		// Memory never proves that there is no such token.
		if away := a.cache.Unavailable(); away != nil {
			return away
		}
	}
	return err
}

func (a *Authenticator) revokeAccessToken(ctx context.Context, token opaque.Token) error {
	login, err := a.cache.AccessToken(ctx, token.ID())
	switch {
	case err != nil:
		return err
	case !token.Matches(login.Hash) && !token.Matches(login.PreviousHash):
		return ErrUnknownToken
	}
	attemptOf(ctx).Subject = login.Ref
	if login.Session == nil {
		return ErrNotRevocable
	}
	return a.endSession(ctx, token, login.Session)
}

func (a *Authenticator) revokeRefreshToken(ctx context.Context, token opaque.Token) error {
	login, err := a.cache.RefreshToken(ctx, token.ID())
	switch {
	case err != nil:
		return err
	case !token.Matches(login.Hash):
		return ErrUnknownToken
	}
	attemptOf(ctx).Subject = login.Ref
	if login.Session != nil {
		return a.endSession(ctx, token, login.Session)
	}
	if away := a.cache.Unavailable(); away != nil {
		return away
	}
	writing, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	actor := store.Actor{Ref: login.Ref, Address: OriginOf(ctx).address()}
	_, _, err = a.store.RevokeRefreshToken(store.WithActor(writing, actor), token.ID(), false)
	return err
}

func (a *Authenticator) endSession(ctx context.Context, token opaque.Token, session *store.SessionLogin) error {
	found := attemptOf(ctx)
	found.Job = session.Job
	if k, err := a.issuers.known(ctx, a.cache); err == nil {
		if b := k.bindings[session.BindingID]; b != nil {
			found.Issuer, found.Binding = b.Issuer, b.Name
		}
	}
	if away := a.cache.Unavailable(); away != nil {
		return away
	}
	writing, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	return a.store.EndSession(writing, token.ID())
}
