package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

const refreshTokensPath = "refresh-tokens"

type refreshTokensOutput struct {
	Body adminapi.List[adminapi.RefreshToken]
}

type refreshTokenOutput struct {
	Body adminapi.RefreshToken
}

type revokedOutput struct {
	Body adminapi.RevokedRefreshTokens
}

func (a *API) registerRefreshTokens(api huma.API) {
	const (
		collection = "/users/{name}/" + refreshTokensPath
		one        = "/" + refreshTokensPath + "/{id}"
	)
	huma.Register(api, operation(api, "list-refresh-tokens", http.MethodGet, collection, "List the logins of a user that have a refresh token, the last used first", http.StatusOK), a.listRefreshTokens)
	huma.Register(api, operation(api, "revoke-refresh-tokens", http.MethodDelete, collection, "End every refresh token of a user, and what was made with them", http.StatusOK),
		func(ctx context.Context, in *NameInput) (*revokedOutput, error) {
			owner := subject.Ref{Kind: subject.User, Name: in.Name}
			if err := checkOwner(ctx, owner); err != nil {
				return nil, err
			}
			revoked, became, err := a.config.Store.RevokeRefreshTokens(ctx, owner)
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return &revokedOutput{adminapi.RevokedRefreshTokens{Revoked: revoked, RevokedToken: revocationOf(became)}}, nil
		})
	huma.Register(api, operation(api, "get-refresh-token", http.MethodGet, one, "Show a refresh token", http.StatusOK),
		func(ctx context.Context, in *TokenInput) (*refreshTokenOutput, error) {
			token, err := a.ownRefreshToken(ctx, in.ID)
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return &refreshTokenOutput{refreshTokenOf(token)}, nil
		})
	huma.Register(api, revocation(operation(api, "revoke-refresh-token", http.MethodDelete, one, "End a refresh token, and what was made with it", http.StatusOK)),
		func(ctx context.Context, in *RevokeInput) (*revokedTokenOutput, error) {
			_, err := a.ownRefreshToken(ctx, in.ID)
			var became store.Revocation
			if err == nil {
				_, became, err = a.config.Store.RevokeRefreshToken(ctx, in.ID, in.KeepMade)
			}
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return revoked(became), nil
		})
}

// listRefreshTokens pages through the few that one user can have.
func (a *API) listRefreshTokens(ctx context.Context, in *struct {
	NameInput
	PageInput
},
) (*refreshTokensOutput, error) {
	owner := subject.Ref{Kind: subject.User, Name: in.Name}
	page, err := in.page()
	if err == nil {
		err = checkOwner(ctx, owner)
	}
	if err != nil {
		return nil, err
	}
	tokens, err := a.config.Store.RefreshTokens(ctx, owner)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	for i, token := range tokens {
		if token.ID == page.After {
			tokens = tokens[i+1:]
			break
		}
	}
	return &refreshTokensOutput{list(in.PageInput, tokens, refreshTokenOf, func(t store.RefreshToken) string { return t.ID })}, nil
}

// ownRefreshToken returns a token that the caller may touch. Who may not, does
// not learn whether there is such a token.
func (a *API) ownRefreshToken(ctx context.Context, id string) (store.RefreshToken, error) {
	token, err := a.config.Store.RefreshToken(ctx, id)
	if forbidden := checkOwner(ctx, token.Owner); forbidden != nil {
		return store.RefreshToken{}, forbidden
	}
	return token, err
}

func refreshTokenOf(t store.RefreshToken) adminapi.RefreshToken {
	return adminapi.RefreshToken{
		ID:              t.ID,
		Owner:           t.Owner,
		Service:         t.Service,
		Client:          t.Client,
		Address:         t.Address,
		CreatedAt:       t.CreatedAt,
		ExpiresAt:       t.ExpiresAt,
		LastUsedAt:      t.LastUse.At,
		LastUsedAddress: t.LastUse.Address,
		LastUsedClient:  t.LastUse.Client,
	}
}
