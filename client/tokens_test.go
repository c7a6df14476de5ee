package client_test

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
)

func TestAccessTokens(t *testing.T) {
	c, ctx := newClient(t, newServer(t)), t.Context()
	_, err := c.CreateRobot(ctx, adminapi.NewSubject{Name: "ci"})
	require.NoError(t, err)
	wanted := adminapi.NewAccessToken{
		Name:      "deploy",
		Scopes:    []access.Permission{permission(t, "repository:team/*:pull")},
		Networks:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		ExpiresAt: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
	}
	issued, err := c.CreateAccessToken(ctx, ci, wanted)
	require.NoError(t, err)
	assert.NotEmpty(t, issued.Token)
	assert.Equal(t, wanted, adminapi.NewAccessToken{Name: issued.Name, Scopes: issued.Scopes, Networks: issued.Networks, ExpiresAt: issued.ExpiresAt})
	_, err = c.CreateAccessToken(ctx, ci, wanted)
	require.ErrorIs(t, err, client.ErrExists)
	_, err = c.CreateAccessToken(ctx, ci, adminapi.NewAccessToken{Name: "second"})
	require.NoError(t, err)
	_, err = c.CreateAccessToken(ctx, ci, adminapi.NewAccessToken{Name: "third"})
	require.ErrorIs(t, err, client.ErrTooMany)

	var names []string
	for token, err := range c.AccessTokens(ctx, ci, client.ListOptions{PageSize: 1}) {
		require.NoError(t, err)
		names = append(names, token.Name)
	}
	assert.Equal(t, []string{"deploy", "second"}, names)
	found, err := c.AccessToken(ctx, issued.ID)
	require.NoError(t, err)
	assert.Equal(t, issued.AccessToken, found)

	for unused, want := range map[bool]int{true: 2, false: 2} {
		count := 0
		for token, err := range c.AllAccessTokens(ctx, unused) {
			require.NoError(t, err)
			assert.Equal(t, ci, token.Owner)
			count++
		}
		assert.Equal(t, want, count)
	}

	rotated, err := c.RotateAccessToken(ctx, issued.ID, adminapi.AccessTokenRotation{Grace: 60})
	require.NoError(t, err)
	assert.NotEqual(t, issued.Token, rotated.Token)
	assert.False(t, rotated.PreviousUntil.IsZero())

	became, err := c.RevokeAccessToken(ctx, issued.ID, client.RevokeOptions{})
	require.NoError(t, err)
	assert.Zero(t, became)
	_, err = c.RevokeAccessToken(ctx, issued.ID, client.RevokeOptions{})
	require.ErrorIs(t, err, client.ErrNotFound)
	_, err = c.RotateAccessToken(ctx, issued.ID, adminapi.AccessTokenRotation{})
	require.ErrorIs(t, err, client.ErrNotFound)
}

func TestAccessTokenAsPassword(t *testing.T) {
	c, ctx := newClient(t, newServer(t)), t.Context()
	issued, err := c.CreateAccessToken(ctx, root, adminapi.NewAccessToken{Name: "script"})
	require.NoError(t, err)
	byToken := newClient(t, c.BaseURL(), func(o *client.Options) { o.Password = issued.Token })
	_, err = byToken.Subject(ctx, root)
	require.NoError(t, err)
}

func TestRefreshTokensAndLockouts(t *testing.T) {
	c, ctx := newClient(t, newServer(t)), t.Context()
	for _, err := range c.RefreshTokens(ctx, "root") {
		t.Errorf("a token that nobody has: %v", err)
	}
	revoked, err := c.RevokeRefreshTokens(ctx, "root")
	require.NoError(t, err)
	assert.Zero(t, revoked)
	_, err = c.RefreshToken(ctx, "abcdefghijkl")
	require.ErrorIs(t, err, client.ErrNotFound)
	_, err = c.RevokeRefreshToken(ctx, "abcdefghijkl", client.RevokeOptions{})
	require.ErrorIs(t, err, client.ErrNotFound)

	for _, password := range []string{"wrong", "wrong as well", "wrong"} { // the same one counts once
		wrong := newClient(t, c.BaseURL(), func(o *client.Options) { o.Password = password })
		_, err := wrong.Subject(ctx, root)
		require.ErrorIs(t, err, client.ErrUnauthorized)
	}
	failures := func() (n int) {
		t.Helper()
		for lockout, err := range c.Lockouts(ctx) {
			require.NoError(t, err)
			assert.Equal(t, "root", lockout.Username)
			n += lockout.Failures
		}
		return n
	}
	assert.Equal(t, 2, failures())
	_, err = c.ClearLockouts(ctx, root, "home")
	require.ErrorIs(t, err, client.ErrInvalid)
	cleared, err := c.ClearLockouts(ctx, root, "")
	require.NoError(t, err)
	assert.Equal(t, int64(2), cleared)
	assert.Zero(t, failures())
}

func TestThrottledHasAType(t *testing.T) {
	err := &client.Error{Status: http.StatusTooManyRequests, Problem: adminapi.Problem{Code: adminapi.CodeThrottled}}
	require.ErrorIs(t, err, client.ErrThrottled)
}
