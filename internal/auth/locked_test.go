package auth

import (
	"database/sql"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/auth/passwords"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/store/mariadbtest"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Run(m)) }

// TestLoginsDuringAStrangersLock holds a lock in the database while people log in:
// a right password is right, a wrong one wrong and counted, both in time, and
// afterwards it stands in the database.
func TestLoginsDuringAStrangersLock(t *testing.T) {
	for _, tc := range []struct {
		name, dialect string
		hold          []string
		everything    bool // no change passes at all
	}{
		{"SQLite", "sqlite", []string{"BEGIN EXCLUSIVE"}, true},
		{"write lock of MariaDB", "mysql", []string{"BEGIN", "SELECT * FROM write_lock FOR UPDATE"}, true},
		{"failures of MariaDB", "mysql", []string{"BEGIN", "SELECT * FROM login_failures WHERE at > 0 FOR UPDATE"}, false},
		{"table of failures of MariaDB", "mysql", []string{"LOCK TABLES login_failures READ"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			config := store.Config{Dialect: tc.dialect, DSN: filepath.Join(t.TempDir(), "dockit.sqlite")}
			if tc.dialect == "mysql" {
				config.DSN = mariadbtest.DSN(t)
			}
			f := newFixture(t, config)
			f.User("alice", secret)
			f.User("bob", secret)
			f.with(Options{RefreshTokens: true, Passwords: passwords.Options{LockoutFailures: 3}})
			f.refused("alice", "guess 0", home)

			stranger, err := sql.Open(tc.dialect, config.DSN)
			require.NoError(t, err)
			stranger.SetMaxOpenConns(1)
			for _, statement := range tc.hold {
				_, err := stranger.ExecContext(t.Context(), statement)
				require.NoError(t, err)
			}
			// Of these, only the first one is to wait for what is written.
			const longest = 15 * time.Second
			inTime := func(what string, try func()) {
				t.Helper()
				began := time.Now()
				try()
				d := time.Since(began)
				assert.LessOrEqual(t, d, longest, what)
				t.Logf("%s takes %s", what, d)
			}
			for i := 1; i <= 2; i++ {
				inTime("a wrong password", func() { f.refused("alice", fmt.Sprint("guess ", i), home) })
			}
			inTime("a lockout", func() { f.throttled("alice", secret, home) })
			inTime("a right password", func() { f.accepted("alice", secret, "192.0.2.2") })
			inTime("another wrong one", func() { f.refused("bob", "guess", home) })
			inTime("a right one after it", func() { f.accepted("bob", secret, home) })
			if tc.everything {
				inTime("a refresh token", func() {
					ctx := WithOrigin(t.Context(), Origin{Address: netip.MustParseAddr("192.0.2.2")})
					principal, err := f.Authenticate(ctx, "alice", secret)
					require.NoError(t, err)
					_, err = f.IssueRefreshToken(ctx, principal, "registry")
					assert.ErrorIs(t, err, store.ErrLate, "a refresh token")
				})
			}
			require.NoError(t, stranger.Close())
			for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
				failures, err := f.store.Failures(t.Context(), "alice", time.Time{}, home+"/32", time.Time{})
				require.NoError(t, err)
				bobs, err := f.store.Failures(t.Context(), "bob", time.Time{}, "", time.Time{})
				require.NoError(t, err)
				if len(failures) == 3 && len(bobs) == 0 {
					t.Logf("in the database %s after the lock", time.Since(began))
					break
				}
				require.LessOrEqual(t, time.Since(began), time.Minute, "in the database are %v and %v", failures, bobs)
			}
			f.throttled("alice", secret, home)
			other := f.elsewhere()
			other.with(Options{Passwords: passwords.Options{LockoutFailures: 3}})
			other.throttled("alice", secret, home)
		})
	}
}

// Uses that cannot be written are written later.
func TestUsesAreKeptUntilTheyAreWritten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.Raw("ALTER TABLE login_networks RENAME TO login_networks_gone")
		f.accepted("alice", secret, home)
		time.Sleep(useInterval + time.Second)
		f.Raw("ALTER TABLE login_networks_gone RENAME TO login_networks")
		time.Sleep(useInterval + time.Second)
		known, err := f.store.KnowsNetwork(t.Context(), "alice", home+"/32")
		require.NoError(t, err, "known: %v", known)
		assert.True(t, known, "known: %v", known)
	})
}
