package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// TestNoErrorShowsADSN guards that a DSN of a server, given without its
// dialect, is neither made a file of nor shown, with its password.
func TestNoErrorShowsADSN(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dsn := range []string{
		"dockit:tr0ub4dor@tcp(db:3306)/dockit?tls=true", "dockit:tr0ub4dor/x@tcp(db:3306)/dockit", "dockit:tr0ub4dor@unix(/run/mysqld.sock)/dockit",
		"dockit:tr0ub4dor@/dockit", "dockit:tr0ub4dor@db/dockit", "mysql://dockit:tr0ub4dor@db/dockit", "mysql:dockit:tr0ub4dor@tcp(db)/dockit",
		"postgres://dockit:tr0ub4dor@db/dockit", "host=db password=tr0ub4dor", "tcp(db:3306)/dockit", "file:?_secret=tr0ub4dor", "file:a?tr0ub4dor=%zz",
		"file::memory:?tr0ub4dor=1", "sqlite:/data/tr0ub4dor",
	} {
		_, err := Open(t.Context(), Config{Dialect: "sqlite", DSN: dsn}, zap.NewNop())
		require.Error(t, err, dsn)
		assert.NotContains(t, err.Error(), "tr0ub4dor")
		_, err = OpenExisting(t.Context(), Config{Dialect: "sqlite", DSN: dsn}, zap.NewNop())
		require.Error(t, err, dsn)
		assert.NotContains(t, err.Error(), "tr0ub4dor")
	}
	for _, dsn := range []string{"dockit:tr0ub4dor@tcp(db:3306", "dockit:tr0ub4dor@tcp(db:3306)/dockit?tls=tr0ub4dor", "mysql://dockit:tr0ub4dor@db/dockit", "tr0ub4dor"} {
		_, err := Open(t.Context(), Config{Dialect: "mysql", DSN: dsn}, zap.NewNop())
		require.Error(t, err, dsn)
		assert.NotContains(t, err.Error(), "tr0ub4dor")
	}
	_, err := Open(t.Context(), Config{Dialect: "sqlite", DSN: "dockit:tr0ub4dor@tcp(db:3306)/dockit"}, zap.NewNop())
	require.ErrorContains(t, err, "the dialect mysql is missing")
	made, err := os.ReadDir(".")
	require.NoError(t, err)
	assert.Empty(t, made)
}

func TestFolderInPlaceOfADatabase(t *testing.T) {
	folder := t.TempDir()
	_, err := Open(t.Context(), Config{Dialect: "sqlite", DSN: folder}, zap.NewNop())
	require.ErrorContains(t, err, "it is a folder: name a file in it, such as "+filepath.Join(folder, "dockit.sqlite"))
}
