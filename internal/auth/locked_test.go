package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockit-registry/dockit/internal/cache"
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
			f := newFixtureOn(t, config)
			f.user("alice", secret)
			f.user("bob", secret)
			f.with(Options{RefreshTokens: true, LockoutFailures: 3})
			f.refused("alice", "guess 0", home)

			stranger, err := sql.Open(tc.dialect, config.DSN)
			if err != nil {
				t.Fatal(err)
			}
			stranger.SetMaxOpenConns(1)
			for _, statement := range tc.hold {
				if _, err := stranger.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			// Of these, only the first one is to wait for what is written.
			const longest = 15 * time.Second
			inTime := func(what string, try func()) {
				t.Helper()
				began := time.Now()
				try()
				if d := time.Since(began); d > longest {
					t.Errorf("%s takes %s", what, d)
				} else {
					t.Logf("%s takes %s", what, d)
				}
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
					if err != nil {
						t.Fatal(err)
					}
					if _, err := f.IssueRefreshToken(ctx, principal, "registry"); !errors.Is(err, store.ErrLate) {
						t.Errorf("a refresh token: %v", err)
					}
				})
			}
			if err := stranger.Close(); err != nil {
				t.Fatal(err)
			}
			for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
				failures, err := f.store.Failures(t.Context(), "alice", time.Time{}, home+"/32", time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				bobs, err := f.store.Failures(t.Context(), "bob", time.Time{}, "", time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				if len(failures) == 3 && len(bobs) == 0 {
					t.Logf("in the database %s after the lock", time.Since(began))
					break
				}
				if time.Since(began) > time.Minute {
					t.Fatalf("in the database are %v and %v", failures, bobs)
				}
			}
			f.throttled("alice", secret, home)
			other := f.elsewhere()
			other.with(Options{LockoutFailures: 3})
			other.throttled("alice", secret, home)
		})
	}
}

// Uses that cannot be written are written later.
func TestUsesAreKeptUntilTheyAreWritten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.raw("ALTER TABLE login_networks RENAME TO login_networks_gone")
		f.accepted("alice", secret, home)
		time.Sleep(useInterval + time.Second)
		f.raw("ALTER TABLE login_networks_gone RENAME TO login_networks")
		time.Sleep(useInterval + time.Second)
		if known, err := f.store.KnowsNetwork(t.Context(), "alice", home+"/32"); err != nil || !known {
			t.Errorf("known: %v, %v", known, err)
		}
	})
}

// A lockout goes on while the database is away, at a node that knew of it.
func TestLockoutWithoutTheDatabase(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.accepted("alice", secret, home)
		for i := range 10 {
			f.refused("alice", fmt.Sprint("guess ", i), home)
		}
		f.throttled("alice", secret, home)
		f.goAway()
		if _, err := f.try("alice", secret, home); !errors.Is(err, cache.ErrUnavailable) {
			t.Errorf("who is locked out gets %v", err)
		}
		f.accepted("alice", secret, "192.0.2.2")
		time.Sleep(15*time.Minute + time.Second)
		f.accepted("alice", secret, home)
	})
}

// A lockout that began while the database was away is one at every node
// afterwards, also when most of its wrong passwords came before.
func TestLockoutOfAnOutageIsMerged(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.accepted("alice", secret, home)
		for i := range 6 {
			f.refused("alice", fmt.Sprint("guess ", i), home)
		}
		f.goAway()
		for i := range 4 {
			if _, err := f.try("alice", fmt.Sprint("guess ", 6+i), home); !errors.Is(err, cache.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if _, err := f.try("alice", secret, home); !errors.Is(err, cache.ErrUnavailable) {
			t.Errorf("who is locked out gets %v", err)
		}
		f.comeBack()
		time.Sleep(2 * rewriteInterval)
		other := f.elsewhere()
		other.throttled("alice", secret, home)
		if failures, err := f.store.Failures(context.Background(), "alice", time.Time{}, "", time.Time{}); err != nil || len(failures) != 10 {
			t.Errorf("%d failures in the database, %v", len(failures), err)
		}
	})
}

func TestRecentFailuresAreBounded(t *testing.T) {
	r := newRecentFailures()
	now := time.Now()
	r.remember(bucket{"alice", "here"}, []store.Failure{{Name: "alice", Network: "here", At: now}})
	for i := range 3 * maxRecentPlaces {
		name := fmt.Sprint(unknownName, i)
		for j := range 5 {
			r.add(store.Failure{Name: name, Network: "there", At: now.Add(time.Duration(j))})
		}
	}
	if n := r.unknown.cache.Len(); n > maxRecentPlaces || r.unknown.total != 5*n {
		t.Errorf("%d places with %d failures", n, r.unknown.total)
	}
	if len(r.recall(bucket{"alice", "here"}, now.Add(-time.Second), now.Add(-time.Second))) != 1 {
		t.Error("names that nobody has pushed out one that somebody has")
	}
	many := make([]store.Failure, 5*maxCeiling)
	for i := range many {
		many[i] = store.Failure{Name: "bob", Network: fmt.Sprint(i % 2), At: now}
	}
	for i := range 200 {
		r.remember(bucket{fmt.Sprint("bob", i), "1"}, many)
	}
	if r.places.total > maxRecentFailures+maxCeiling+2*maxLockoutFailures {
		t.Errorf("%d failures are remembered", r.places.total)
	}
	r.forget(bucket{"bob199", ""})
	if got := r.recall(bucket{"bob199", "1"}, time.Time{}, time.Time{}); len(got) > 0 {
		t.Errorf("%d failures after they were forgotten", len(got))
	}
}

// elsewhere is the fixture at another node.
func (f *fixture) elsewhere() *fixture {
	f.Helper()
	return &fixture{T: f.T, Authenticator: f.node(), path: f.path, config: f.config}
}
