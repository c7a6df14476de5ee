package admin

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
)

// A change that the database does not let in is refused in plain words, and the
// same one may pass later.
func TestChangeDuringAStrangersLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dockit.sqlite")
	f := newFixtureOn(t, store.Config{Dialect: "sqlite", DSN: path})
	stranger, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	stranger.SetMaxOpenConns(1)
	_, err = stranger.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	require.NoError(t, err)

	a := f.do(http.MethodPost, "/users", `{"name":"alice"}`)
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	require.Equal(t, "5", a.Header.Get("Retry-After"))
	p := a.problem(t)
	require.Equal(t, adminapi.CodeStorage, p.Code)
	require.True(t, strings.HasPrefix(p.Detail, "nothing was changed: no change passes in the database: another program holds a lock in it"), p.Detail)

	require.NoError(t, stranger.Close())
	require.Equal(t, http.StatusCreated, f.do(http.MethodPost, "/users", `{"name":"alice"}`).StatusCode)
}
