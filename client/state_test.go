package client_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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
	plan, err := c.PlanState(ctx, strings.NewReader(devDocument), state.Options{})
	require.NoError(t, err)
	assert.Equal(t, 1, plan.Created)
	_, err = c.Subject(ctx, dev)
	require.ErrorIs(t, err, client.ErrNotFound, "planning changes nothing")

	applied, err := c.ApplyState(ctx, strings.NewReader(devDocument), state.Options{})
	require.NoError(t, err)
	tag := plan.Tag
	plan.Tag = ""
	assert.Equal(t, plan, applied)
	_, err = c.ApplyPlanned(ctx, strings.NewReader(devDocument), state.Options{}, tag)
	require.ErrorIs(t, err, client.ErrStale, "there is nothing left to do")
	again, err := c.ApplyState(ctx, strings.NewReader(devDocument), state.Options{})
	require.NoError(t, err)
	assert.Empty(t, again.Changes)

	for _, format := range []state.Format{state.YAML, state.JSON} {
		var exported bytes.Buffer
		require.NoError(t, c.ExportState(ctx, format, &exported))
		plan, err = c.PlanState(ctx, &exported, state.Options{Prune: true})
		require.NoError(t, err)
		assert.Empty(t, plan.Changes, "the plan of an export is empty")
	}

	_, err = c.ApplyState(ctx, strings.NewReader("version: dockit/v1\ngroups: []\n"), state.Options{Prune: true})
	require.ErrorIs(t, err, client.ErrLastAdmin)
	_, err = c.ApplyState(ctx, strings.NewReader("version: dockit/v1\nusers:\n  - name: dev\n"), state.Options{})
	require.ErrorIs(t, err, client.ErrConflict)
	_, err = c.PlanState(ctx, strings.NewReader("users: 7"), state.Options{})
	require.ErrorIs(t, err, client.ErrInvalid)
	_, err = c.PlanState(ctx, strings.NewReader(devDocument), state.Options{Prune: true, Add: true})
	require.ErrorIs(t, err, client.ErrInvalid)
	_, err = c.PlanState(ctx, bytes.NewReader(bytes.Repeat([]byte("#"), state.DefaultMaxSize+1)), state.Options{})
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

// TestDocumentOfAFile is sent from it, with its length, and one that is too large
// is not sent at all.
func TestDocumentOfAFile(t *testing.T) {
	c, ctx := newClient(t, newServer(t)), t.Context()
	open := func(size int64) *os.File {
		t.Helper()
		path := filepath.Join(t.TempDir(), "state.yaml")
		require.NoError(t, os.WriteFile(path, []byte(devDocument), 0o600))
		if size > 0 {
			require.NoError(t, os.Truncate(path, size))
		}
		file, err := os.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, file.Close(), "it was closed by another") })
		return file
	}
	plan, err := c.PlanState(ctx, open(0), state.Options{})
	require.NoError(t, err)
	assert.Equal(t, 1, plan.Created)
	large := open(state.DefaultMaxSize + 1)
	_, err = c.PlanState(ctx, large, state.Options{})
	require.ErrorIs(t, err, client.ErrInvalid)
	require.ErrorContains(t, err, "larger than 64 MiB")
	require.ErrorContains(t, err, "--max-state-size")
	at, err := large.Seek(0, 1)
	require.NoError(t, err)
	assert.Less(t, at, int64(1<<20), "so much was sent all the same")
}

// TestTooLargeForAProxy guards that the error names who refuses.
func TestTooLargeForAProxy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>413</html>", http.StatusRequestEntityTooLarge)
	}))
	t.Cleanup(server.Close)
	_, err := newClient(t, server.URL).PlanState(t.Context(), strings.NewReader(devDocument), state.Options{})
	require.ErrorContains(t, err, "a proxy in front of Dockit refuses")
	assert.ErrorContains(t, err, "413")
}
