package dockit

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/dockit-registry/dockit/store"
)

func testDatabase(t testing.TB) *database {
	t.Helper()
	d, err := use(t, &Database{DSN: filepath.Join(t.TempDir(), "dockit.sqlite")})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// use opens the database as the start of a configuration does.
func use(t testing.TB, d *Database) (*database, error) {
	t.Helper()
	config, err := d.config()
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	same, err := use(t, &Database{Dialect: "sqlite", DSN: "{env.DOCKIT_TEST_DSN}"})
	if err != nil {
		t.Fatal(err)
	}
	if first != same {
		t.Error("one database is open twice")
	}
	other, err := use(t, &Database{DSN: filepath.Join(dir, "b.sqlite")})
	if err != nil {
		t.Fatal(err)
	}
	if first == other {
		t.Error("two databases are one")
	}
	for _, d := range []*database{first, same, other} {
		if !open(t, d) {
			t.Error("closed while it is in use")
		}
		if err := d.leave(); err != nil {
			t.Fatal(err)
		}
	}
	if open(t, first) || open(t, other) {
		t.Error("open although nobody uses it")
	}
}

func TestDatabaseLease(t *testing.T) {
	d := testDatabase(t)
	if !d.acquire() {
		t.Fatal("no lease of an open database")
	}
	if err := d.leave(); err != nil {
		t.Fatal(err)
	}
	if !open(t, d) {
		t.Fatal("closed under a request in flight")
	}
	if !d.acquire() {
		t.Fatal("no second lease while the first one holds")
	}
	d.release()
	d.release()
	if open(t, d) {
		t.Fatal("open after the last lease was given back")
	}
	if d.acquire() {
		t.Fatal("a lease of a closed database")
	}
	if _, found := databases.References(d.key); found {
		t.Fatal("a closed database can still be found")
	}
}

// TestDatabaseLeaseRace closes a database while leases come and go: it must be
// closed once, and open as long as anybody has a lease.
func TestDatabaseLeaseRace(t *testing.T) {
	d := testDatabase(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if !d.acquire() {
					return
				}
				if !open(t, d) {
					t.Error("closed under a lease")
				}
				d.release()
			}
		})
	}
	if err := d.leave(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if d.leases.Load() != 0 || open(t, d) {
		t.Errorf("%d leases are left", d.leases.Load())
	}
}

func TestDatabaseFailureIsNotKept(t *testing.T) {
	config := &Database{DSN: filepath.Join(t.TempDir(), "none", "dockit.sqlite")}
	for range 2 {
		if _, err := use(t, config); err == nil {
			t.Fatal("opened")
		}
	}
	if _, found := databases.References(store.Config{Dialect: "sqlite", DSN: config.DSN}); found {
		t.Fatal("a database that cannot be opened is kept")
	}
}
