package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/internal/issuertest"
)

// TestIssuersAndBindings makes every call about them once, and every refusal that
// has an error of its own.
func TestIssuersAndBindings(t *testing.T) {
	c, ctx, issuer := newClient(t, newServer(t)), t.Context(), issuertest.New(t)
	_, err := c.CreateRobot(ctx, adminapi.NewSubject{Name: "ci"})
	require.NoError(t, err)
	_, err = c.CreateIssuer(ctx, adminapi.NewIssuer{Name: "Bad", URL: issuer.URL})
	require.ErrorIs(t, err, client.ErrInvalid)
	created, err := c.CreateIssuer(ctx, adminapi.NewIssuer{Name: "gitlab", URL: issuer.URL, Kind: "gitlab"})
	require.NoError(t, err)
	assert.Equal(t, []string{issuer.KeyID()}, created.Keys.IDs)
	_, err = c.CreateIssuer(ctx, adminapi.NewIssuer{Name: "gitlab", URL: issuer.URL, Kind: "gitlab"})
	require.ErrorIs(t, err, client.ErrExists)
	found, err := c.Issuer(ctx, "gitlab")
	require.NoError(t, err)
	assert.Equal(t, created, found)
	var names []string
	for i, err := range c.Issuers(ctx, client.ListOptions{Prefix: "git"}) {
		require.NoError(t, err)
		names = append(names, i.Name)
	}
	assert.Equal(t, []string{"gitlab"}, names)

	binding := adminapi.NewBinding{Name: "app", Issuer: "gitlab", Robot: ci, Claims: []string{"project_id=20"}}
	bound, err := c.CreateBinding(ctx, binding)
	require.NoError(t, err)
	assert.Equal(t, binding, bound.NewBinding)
	granted, err := c.GrantWarned(ctx, ci, permission(t, "repository:team/app:push"))
	require.NoError(t, err)
	assert.Len(t, granted.Warnings, 1)
	assert.Equal(t, permission(t, "repository:team/app:push"), granted.Permission.Permission)
	binding.Name = "another"
	_, err = c.CreateBinding(ctx, binding)
	require.ErrorIs(t, err, client.ErrUnprotected)
	binding.Issuer = "nobody"
	_, err = c.CreateBinding(ctx, binding)
	require.ErrorIs(t, err, client.ErrNotFound)
	bound, err = c.Binding(ctx, "app")
	require.NoError(t, err)
	assert.NotEmpty(t, bound.Warnings)
	names = nil
	for b, err := range c.Bindings(ctx, client.BindingOptions{Issuer: "gitlab", Robot: "ci", Prefix: "a", PageSize: 1}) {
		require.NoError(t, err)
		names = append(names, b.Name)
	}
	assert.Equal(t, []string{"app"}, names)

	result, err := c.TryToken(ctx, adminapi.TokenTrial{Token: issuer.Sign(t, issuer.Claims(time.Now(), "registry", issuertest.GitLab()))})
	require.NoError(t, err)
	assert.True(t, result.Accepted)
	for range c.IssuerRefusals(ctx, "gitlab") {
		t.Error("a trial was recorded")
	}

	issuer.Rotate(t)
	refreshed, err := c.RefreshIssuer(ctx, "gitlab")
	require.NoError(t, err)
	assert.Len(t, refreshed.Keys.IDs, 2)
	issuer.Away(true)
	_, err = c.RefreshIssuer(ctx, "gitlab")
	require.ErrorIs(t, err, client.ErrIssuer)

	yes := true
	_, err = c.UpdateBinding(ctx, "app", adminapi.BindingChange{Disabled: &yes}, client.Condition(bound.Version+1))
	require.ErrorIs(t, err, client.ErrStale)
	bound, err = c.UpdateBinding(ctx, "app", adminapi.BindingChange{Disabled: &yes}, client.Condition(bound.Version))
	require.NoError(t, err)
	assert.True(t, bound.Disabled)
	found, err = c.UpdateIssuer(ctx, "gitlab", adminapi.IssuerChange{Disabled: &yes}, client.Condition(found.Version))
	require.NoError(t, err)
	assert.True(t, found.Disabled)

	removed, err := c.Remove(ctx, ci, 0)
	require.NoError(t, err)
	assert.Equal(t, []string{"app"}, removed.Bindings)
	require.ErrorIs(t, c.DeleteBinding(ctx, "app", 0), client.ErrNotFound)
	removed, err = c.DeleteIssuer(ctx, "gitlab", 0)
	require.NoError(t, err)
	assert.Empty(t, removed.Bindings)
	_, err = c.Issuer(ctx, "gitlab")
	require.ErrorIs(t, err, client.ErrNotFound)
}
