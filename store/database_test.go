package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/store/mariadbtest"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Run(m)) }

// database is a kind of database to test on.
type database struct {
	dialect string
	// dsn names a new, empty database.
	dsn func(t testing.TB) string
}

var (
	onSQLite  = database{"sqlite", func(t testing.TB) string { return filepath.Join(t.TempDir(), "dockit.sqlite") }}
	onMariaDB = database{"mysql", mariadbtest.DSN}
)

// eachDatabase runs a test on every kind of database.
func eachDatabase(t *testing.T, test func(t *testing.T, db database)) {
	t.Helper()
	for _, db := range []database{onSQLite, onMariaDB} {
		t.Run(db.dialect, func(t *testing.T) { test(t, db) })
	}
}

// config is that of a new, empty database.
func (db database) config(t testing.TB) Config {
	t.Helper()
	return Config{Dialect: db.dialect, DSN: db.dsn(t)}
}

// open makes an empty store.
func (db database) open(t testing.TB) *Store {
	t.Helper()
	return openConfig(t, db.config(t))
}

func openConfig(t testing.TB, config Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), config, zaptest.NewLogger(t))
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
	})
	return s
}

// openAt opens a SQLite file.
func openAt(t testing.TB, path string) *Store {
	t.Helper()
	return openConfig(t, Config{Dialect: "sqlite", DSN: path})
}
