package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

type sessionsOutput struct {
	Body adminapi.List[adminapi.Session]
}

type sessionOutput struct {
	Body adminapi.Session
}

type revokedSessionsOutput struct {
	Body adminapi.RevokedSessions
}

func (a *API) registerSessions(api huma.API) {
	const (
		collection = "/robots/{name}/sessions"
		one        = "/sessions/{id}"
	)
	huma.Register(api, operation(api, "list-sessions", http.MethodGet, collection, "List the sessions of a robot that began with tokens of issuers, the latest first", http.StatusOK), a.listSessions)
	huma.Register(api, operation(api, "revoke-sessions", http.MethodDelete, collection, "End every session of a robot", http.StatusOK),
		func(ctx context.Context, in *NameInput) (*revokedSessionsOutput, error) {
			if err := a.passwordAgain(ctx); err != nil {
				return nil, err
			}
			ended, err := a.config.Store.RevokeSessions(ctx, subject.Ref{Kind: subject.Robot, Name: in.Name})
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return &revokedSessionsOutput{adminapi.RevokedSessions{Revoked: ended}}, nil
		})
	huma.Register(api, operation(api, "get-session", http.MethodGet, one, "Show a session", http.StatusOK),
		func(ctx context.Context, in *TokenInput) (*sessionOutput, error) {
			found, err := a.config.Store.Session(ctx, in.ID)
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return &sessionOutput{sessionOf(found)}, nil
		})
	huma.Register(api, operation(api, "revoke-session", http.MethodDelete, one, "End a session", http.StatusNoContent),
		func(ctx context.Context, in *TokenInput) (*struct{}, error) {
			if err := a.passwordAgain(ctx); err != nil {
				return nil, err
			}
			if _, err := a.config.Store.RevokeSession(ctx, in.ID); err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return nil, nil //nolint:nilnil // there is nothing to say
		})
}

func (a *API) listSessions(ctx context.Context, in *struct {
	NameInput
	PageInput
},
) (*sessionsOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	sessions, err := a.config.Store.Sessions(ctx, subject.Ref{Kind: subject.Robot, Name: in.Name}, page)
	if errors.Is(err, store.ErrCursor) {
		return nil, invalid(errCursor)
	}
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return &sessionsOutput{list(in.PageInput, sessions, sessionOf, store.Session.Cursor)}, nil
}

func sessionOf(n store.Session) adminapi.Session {
	claims := make([]string, 0, len(n.Claims))
	for _, kept := range n.Claims {
		if len(kept.Values) > 0 { // the first met the condition
			claims = append(claims, kept.Name+"="+kept.Values[0])
		}
	}
	return adminapi.Session{
		ID:              n.ID,
		Owner:           n.Robot,
		Kind:            string(n.Kind),
		Service:         n.Service,
		Issuer:          n.Issuer,
		Binding:         n.Binding,
		Scopes:          n.Scopes,
		Claims:          claims,
		Job:             n.Job,
		Client:          n.Client,
		Address:         n.Address,
		CreatedAt:       n.CreatedAt,
		ExpiresAt:       n.ExpiresAt,
		LastUsedAt:      n.LastUse.At,
		LastUsedAddress: n.LastUse.Address,
		LastUsedClient:  n.LastUse.Client,
	}
}
