package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

const accessTokensPath = "access-tokens"

type accessTokensInput struct {
	NameInput
	PageInput
	Prefix string `query:"prefix" maxLength:"128" doc:"Only tokens whose names begin with it."`
}

type newAccessTokenInput struct {
	NameInput
	Body adminapi.NewAccessToken
}

// RevokeInput says how a token is revoked.
type RevokeInput struct {
	TokenInput
	KeepMade bool `query:"keep_made" doc:"Let what the token made go on without it. It takes a password."`
}

// revokedTokenOutput is 204 when the token had made nothing.
type revokedTokenOutput struct {
	Status int
	Body   adminapi.RevokedToken
}

// TokenInput names a token. It is exported because huma does not see what is
// embedded otherwise.
type TokenInput struct {
	ID string `path:"id" maxLength:"128" doc:"The id of the token."`
}

type rotateTokenInput struct {
	TokenInput
	Body *adminapi.AccessTokenRotation
}

type accessTokensOutput struct {
	Body adminapi.List[adminapi.AccessToken]
}

type accessTokenOutput struct {
	Body adminapi.AccessToken
}

type issuedOutput struct {
	Location string `header:"Location"`
	Body     adminapi.IssuedAccessToken
}

func (a *API) registerAccessTokens(api huma.API) {
	for _, kind := range []subject.Kind{subject.User, subject.Robot} {
		collection := "/" + kind.Plural() + "/{name}/" + accessTokensPath
		huma.Register(api, operation(api, "list-access-tokens-of-"+string(kind), http.MethodGet, collection, "List the access tokens of a "+string(kind)+" by name", http.StatusOK),
			func(ctx context.Context, in *accessTokensInput) (*accessTokensOutput, error) {
				return a.listAccessTokens(ctx, subject.Ref{Kind: kind, Name: in.Name}, in)
			})
		huma.Register(api, operation(api, "create-access-token-of-"+string(kind), http.MethodPost, collection, "Make an access token for a "+string(kind), http.StatusCreated),
			func(ctx context.Context, in *newAccessTokenInput) (*issuedOutput, error) {
				return a.createAccessToken(ctx, subject.Ref{Kind: kind, Name: in.Name}, in.Body)
			})
	}
	huma.Register(api, operation(api, "list-access-tokens", http.MethodGet, "/"+accessTokensPath, "List the access tokens of everybody by id", http.StatusOK), a.listAllAccessTokens)
	const one = "/" + accessTokensPath + "/{id}"
	huma.Register(api, operation(api, "get-access-token", http.MethodGet, one, "Show an access token", http.StatusOK),
		func(ctx context.Context, in *TokenInput) (*accessTokenOutput, error) {
			token, err := a.ownAccessToken(ctx, in.ID)
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return &accessTokenOutput{accessTokenOf(token)}, nil
		})
	huma.Register(api, operation(api, "rotate-access-token", http.MethodPost, one+"/rotate", "Replace the secret of an access token", http.StatusOK), a.rotateAccessToken)
	huma.Register(api, revocation(operation(api, "revoke-access-token", http.MethodDelete, one, "End an access token, and what was made with it", http.StatusOK)),
		func(ctx context.Context, in *RevokeInput) (*revokedTokenOutput, error) {
			token, err := a.ownAccessToken(ctx, in.ID)
			if err == nil {
				err = a.passwordAgainFor(ctx, token.Owner)
			}
			var became store.Revocation
			if err == nil {
				_, became, err = a.config.Store.RevokeAccessToken(ctx, in.ID, in.KeepMade)
			}
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return revoked(became), nil
		})
}

// revocation adds the answer of a token that had made nothing.
func revocation(op huma.Operation) huma.Operation {
	op.Responses[strconv.Itoa(http.StatusNoContent)] = &huma.Response{Description: "Nothing was made with the token."}
	return op
}

func revoked(r store.Revocation) *revokedTokenOutput {
	out := &revokedTokenOutput{Status: http.StatusOK, Body: revocationOf(r)}
	if r.Ended.Count()+r.Kept.Count() == 0 {
		out.Status = http.StatusNoContent
	}
	return out
}

func revocationOf(r store.Revocation) adminapi.RevokedToken {
	return adminapi.RevokedToken{
		Ended: madeOf(r.Ended), Kept: madeOf(r.Kept),
		Cut: r.Ended.Count() > len(r.Ended.List()) || r.Kept.Count() > len(r.Kept.List()),
	}
}

func madeOf(m store.MadeWith) []adminapi.MadeCredential {
	var all []adminapi.MadeCredential
	for _, one := range m.List() {
		all = append(all, adminapi.MadeCredential{AccessToken: one.ID, Name: one.Name, Owner: one.Owner})
	}
	return all
}

func (a *API) listAccessTokens(ctx context.Context, owner subject.Ref, in *accessTokensInput) (*accessTokensOutput, error) {
	page, err := in.page()
	if err == nil {
		err = checkOwner(ctx, owner)
	}
	if err != nil {
		return nil, err
	}
	page.Prefix = in.Prefix
	tokens, err := a.config.Store.AccessTokens(ctx, owner, page)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return &accessTokensOutput{list(in.PageInput, tokens, accessTokenOf, func(t store.AccessToken) string { return t.Name })}, nil
}

func (a *API) listAllAccessTokens(ctx context.Context, in *struct {
	PageInput
	Unused bool `query:"unused" doc:"Only tokens that were never used."`
},
) (*accessTokensOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	tokens, err := a.config.Store.AllAccessTokens(ctx, in.Unused, page)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return &accessTokensOutput{list(in.PageInput, tokens, accessTokenOf, func(t store.AccessToken) string { return t.ID })}, nil
}

func (a *API) createAccessToken(ctx context.Context, owner subject.Ref, n adminapi.NewAccessToken) (*issuedOutput, error) {
	err := checkOwner(ctx, owner)
	if err == nil {
		err = a.passwordAgainForSecret(ctx, owner, n.Scopes)
	}
	if err != nil {
		return nil, err
	}
	created, secret, err := a.config.Auth.CreateAccessToken(ctx, auth.TokenRequest{
		Owner: owner, Name: n.Name, Scopes: n.Scopes, Networks: n.Networks, ExpiresAt: n.ExpiresAt,
	})
	if errors.Is(err, store.ErrExists) {
		return nil, problem(http.StatusConflict, adminapi.CodeExists, err.Error()+": choose another name, or rotate that one")
	}
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return issued(created, secret), nil
}

func issued(token store.AccessToken, secret opaque.Token) *issuedOutput {
	return &issuedOutput{
		Location: adminapi.Prefix + accessTokensPath + "/" + token.ID,
		Body:     adminapi.IssuedAccessToken{AccessToken: accessTokenOf(token), Token: secret.Reveal()},
	}
}

// ownAccessToken returns a token that the caller may touch. Who may not, does
// not learn whether there is such a token.
func (a *API) ownAccessToken(ctx context.Context, id string) (store.AccessToken, error) {
	token, err := a.config.Store.AccessToken(ctx, id)
	if forbidden := checkOwner(ctx, token.Owner); forbidden != nil {
		return store.AccessToken{}, forbidden
	}
	return token, err
}

func (a *API) rotateAccessToken(ctx context.Context, in *rotateTokenInput) (*issuedOutput, error) {
	token, err := a.ownAccessToken(ctx, in.ID)
	if err == nil {
		err = a.passwordAgainForSecret(ctx, token.Owner, token.Scopes)
	}
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	var rotation adminapi.AccessTokenRotation
	if in.Body != nil {
		rotation = *in.Body
	}
	rotated, secret, err := a.config.Auth.RotateAccessToken(ctx, in.ID, time.Duration(rotation.Grace)*time.Second, rotation.ExpiresAt)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return issued(rotated, secret), nil
}

func accessTokenOf(t store.AccessToken) adminapi.AccessToken {
	return adminapi.AccessToken{
		ID:              t.ID,
		Owner:           t.Owner,
		Name:            t.Name,
		Scopes:          t.Scopes,
		Networks:        t.Networks,
		CreatedAt:       t.CreatedAt,
		ExpiresAt:       t.ExpiresAt,
		RotatedAt:       t.RotatedAt,
		PreviousUntil:   t.PreviousUntil,
		LastUsedAt:      t.LastUse.At,
		LastUsedAddress: t.LastUse.Address,
		LastUsedClient:  t.LastUse.Client,
		MadeBy:          t.MadeBy,
	}
}

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
			err := checkOwner(ctx, owner)
			if err == nil {
				err = a.passwordAgainFor(ctx, owner)
			}
			if err != nil {
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
			token, err := a.ownRefreshToken(ctx, in.ID)
			if err == nil {
				err = a.passwordAgainFor(ctx, token.Owner)
			}
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
		Kind:            string(t.Kind),
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
