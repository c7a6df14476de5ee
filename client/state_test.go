package client_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/state"
)

const devDocument = `version: dockit/v1
groups:
  - name: dev
    permissions: ["repository:team/*:pull"]
`

func TestState(t *testing.T) {
	c, ctx := newClient(t, newServer(t)), t.Context()
	plan, err := c.PlanState(ctx, []byte(devDocument), state.Options{})
	require.NoError(t, err)
	assert.Equal(t, 1, plan.Created)
	_, err = c.Subject(ctx, dev)
	require.ErrorIs(t, err, client.ErrNotFound, "planning changes nothing")

	applied, err := c.ApplyState(ctx, []byte(devDocument), state.Options{})
	require.NoError(t, err)
	assert.Equal(t, plan, applied)
	again, err := c.ApplyState(ctx, []byte(devDocument), state.Options{})
	require.NoError(t, err)
	assert.Empty(t, again.Changes)

	for _, format := range []state.Format{state.YAML, state.JSON} {
		var exported bytes.Buffer
		require.NoError(t, c.ExportState(ctx, format, &exported))
		plan, err = c.PlanState(ctx, exported.Bytes(), state.Options{Prune: true})
		require.NoError(t, err)
		assert.Empty(t, plan.Changes, "the plan of an export is empty")
	}

	_, err = c.ApplyState(ctx, []byte("version: dockit/v1\ngroups: []\n"), state.Options{Prune: true})
	require.ErrorIs(t, err, client.ErrLastAdmin)
	_, err = c.ApplyState(ctx, []byte("version: dockit/v1\nusers:\n  - name: dev\n"), state.Options{})
	require.ErrorIs(t, err, client.ErrConflict)
	_, err = c.PlanState(ctx, []byte("users: 7"), state.Options{})
	require.ErrorIs(t, err, client.ErrInvalid)
	_, err = c.PlanState(ctx, []byte(devDocument), state.Options{Prune: true, Add: true})
	require.ErrorIs(t, err, client.ErrInvalid)
	_, err = c.PlanState(ctx, bytes.Repeat([]byte("#"), state.DefaultMaxSize+1), state.Options{})
	require.ErrorIs(t, err, client.ErrInvalid)
}

func TestAPartOfTheStateIsNotTakenForTheWhole(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write([]byte("version: dockit/v1\nusers:\n"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	require.Error(t, newClient(t, server.URL).ExportState(t.Context(), state.YAML, &bytes.Buffer{}))
}
