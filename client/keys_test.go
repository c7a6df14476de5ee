package client_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
)

func TestKeys(t *testing.T) {
	c, ctx := newClient(t, newServer(t)), t.Context()
	shown, err := c.PKI(ctx)
	require.NoError(t, err)
	assert.Equal(t, "dockit", shown.Issuer)
	require.Len(t, shown.Services, 1)

	rotation, err := c.RotateKeys(ctx, "")
	require.NoError(t, err)
	require.Len(t, rotation.Keys, 1)
	_, err = c.RotateKeys(ctx, "other")
	require.ErrorIs(t, err, client.ErrNotFound)

	rotation, err = c.RotateAuthority(ctx, false)
	require.NoError(t, err)
	assert.Equal(t, []string{"registry"}, rotation.Reload)
	_, err = c.RotateAuthority(ctx, false)
	require.ErrorIs(t, err, client.ErrTooEarly)
	_, err = c.RotateAuthority(ctx, true)
	require.NoError(t, err)

	var leaf adminapi.Key
	for key, err := range c.Keys(ctx) {
		require.NoError(t, err)
		if key.Purpose == "shared" && key.State == "active" {
			leaf = key
		}
	}
	rotation, err = c.RevokeKey(ctx, leaf.ID)
	require.NoError(t, err)
	assert.Equal(t, leaf.NotAfter, rotation.AcceptedUntil)
	_, err = c.RevokeKey(ctx, "a/b")
	require.ErrorIs(t, err, client.ErrNotFound)
}
