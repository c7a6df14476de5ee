package dockit

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store"
)

func testDatabase(t testing.TB) *database {
	t.Helper()
	d, err := use(t, &Database{DSN: filepath.Join(t.TempDir(), "dockit.sqlite")})
	require.NoError(t, err)
	return d
}

// use opens the database as the start of a configuration does.
func use(t testing.TB, d *Database) (*database, error) {
	t.Helper()
	config, err := d.config()
	require.NoError(t, err)
	return useDatabase(t.Context(), config)
}

func open(t testing.TB, d *database) bool {
	t.Helper()
	_, err := d.store.Marks(t.Context())
	return err == nil
}

func TestDatabaseIsShared(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DOCKIT_TEST_DSN", filepath.Join(dir, "a.sqlite"))
	first, err := use(t, &Database{DSN: filepath.Join(dir, "a.sqlite")})
	require.NoError(t, err)
	same, err := use(t, &Database{Dialect: "sqlite", DSN: "{env.DOCKIT_TEST_DSN}"})
	require.NoError(t, err)
	assert.Same(t, same, first, "one database is open twice")
	other, err := use(t, &Database{DSN: filepath.Join(dir, "b.sqlite")})
	require.NoError(t, err)
	assert.NotSame(t, other, first, "two databases are one")
	for _, d := range []*database{first, same, other} {
		assert.True(t, open(t, d), "closed while it is in use")
		require.NoError(t, d.leave())
	}
	assert.False(t, open(t, first), "open although nobody uses it")
	assert.False(t, open(t, other), "open although nobody uses it")
}

func TestDatabaseLease(t *testing.T) {
	d := testDatabase(t)
	require.True(t, d.acquire(), "no lease of an open database")
	require.NoError(t, d.leave())
	require.True(t, open(t, d), "closed under a request in flight")
	require.True(t, d.acquire(), "no second lease while the first one holds")
	d.release()
	d.release()
	require.False(t, open(t, d), "open after the last lease was given back")
	require.False(t, d.acquire(), "a lease of a closed database")
	_, found := databases.References(d.key)
	require.False(t, found, "a closed database can still be found")
}

// TestDatabaseLeaseRace closes a database while leases come and go: it must be
// closed once, and open as long as there is a lease.
func TestDatabaseLeaseRace(t *testing.T) {
	d := testDatabase(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if !d.acquire() {
					return
				}
				assert.True(t, open(t, d), "closed under a lease")
				d.release()
			}
		})
	}
	require.NoError(t, d.leave())
	wg.Wait()
	assert.Zero(t, d.leases.Load())
	assert.False(t, open(t, d))
}

func TestDatabaseFailureIsNotKept(t *testing.T) {
	config := &Database{DSN: filepath.Join(t.TempDir(), "none", "dockit.sqlite")}
	for range 2 {
		_, err := use(t, config)
		require.Error(t, err, "opened")
	}
	_, found := databases.References(store.Config{Dialect: "sqlite", DSN: config.DSN})
	require.False(t, found, "a database that cannot be opened is kept")
}
