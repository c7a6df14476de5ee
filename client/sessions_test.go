package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/issuertest"
)

// TestSessions makes every call about them once.
func TestSessions(t *testing.T) {
	baseURL, authenticator := newServerAndAuth(t)
	c, ctx, issuer := newClient(t, baseURL), t.Context(), issuertest.New(t)
	_, err := c.CreateRobot(ctx, adminapi.NewSubject{Name: "ci"})
	require.NoError(t, err)
	_, err = c.CreateIssuer(ctx, adminapi.NewIssuer{Name: "gitlab", URL: issuer.URL, Kind: "gitlab"})
	require.NoError(t, err)
	_, err = c.CreateBinding(ctx, adminapi.NewBinding{Name: "app", Issuer: "gitlab", Robot: ci, Claims: []string{"project_id=20"}})
	require.NoError(t, err)
	for range 4 {
		token := issuer.Sign(t, issuer.Claims(time.Now(), "registry", issuertest.GitLab()))
		_, err := authenticator.Exchange(ctx, auth.Exchange{Token: token, Service: "registry"})
		require.NoError(t, err)
	}
	var listed []adminapi.Session
	for session, err := range c.Sessions(ctx, "ci") {
		require.NoError(t, err)
		listed = append(listed, session)
	}
	require.Len(t, listed, 4)
	found, err := c.Session(ctx, listed[0].ID)
	require.NoError(t, err)
	assert.Equal(t, listed[0], found)
	assert.Equal(t, []any{ci, "access", "gitlab", "app", "registry", []string{"project_id=20"}}, []any{found.Owner, found.Kind, found.Issuer, found.Binding, found.Service, found.Claims})

	require.NoError(t, c.RevokeSession(ctx, found.ID))
	require.ErrorIs(t, c.RevokeSession(ctx, found.ID), client.ErrNotFound)
	_, err = c.Session(ctx, found.ID)
	require.ErrorIs(t, err, client.ErrNotFound)
	revoked, err := c.RevokeSessions(ctx, "ci")
	require.NoError(t, err)
	assert.EqualValues(t, 3, revoked)
	_, err = c.RevokeSessions(ctx, "nobody")
	require.ErrorIs(t, err, client.ErrNotFound)
	for _, err := range c.Sessions(ctx, "nobody") {
		require.ErrorIs(t, err, client.ErrNotFound)
	}
}
