package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store/mariadbtest"
)

// strangersLock is something that a stranger does in the database.
type strangersLock struct {
	name     string
	database database
	// hold are statements of one connection, release ends it.
	hold    []string
	release string
	// everything is set when no change passes at all.
	everything bool
}

var locks = []strangersLock{
	{"SQLite, a transaction", onSQLite, []string{"BEGIN EXCLUSIVE"}, "ROLLBACK", true},
	{"row of the write lock", onMariaDB, []string{"BEGIN", "SELECT * FROM write_lock FOR UPDATE"}, "ROLLBACK", true},
	{"table of the write lock", onMariaDB, []string{"LOCK TABLES write_lock WRITE"}, "UNLOCK TABLES", true},
	{"all tables", onMariaDB, []string{"FLUSH TABLES WITH READ LOCK"}, "UNLOCK TABLES", true},
	{"rows of failures", onMariaDB, []string{"BEGIN", "SELECT * FROM login_failures WHERE at > 0 FOR UPDATE"}, "ROLLBACK", false},
	{"table of failures", onMariaDB, []string{"LOCK TABLES login_failures READ"}, "UNLOCK TABLES", false},
}

// take takes the lock on a database until the test ends or release is called.
func (l strangersLock) take(t *testing.T, c Config) (release func()) {
	t.Helper()
	driver, dsn := "sqlite", c.DSN
	if c.Dialect == "mysql" {
		driver = "mysql"
		if l.name == "all tables" {
			dsn = rootDSN(t, dsn)
		}
	}
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	for _, statement := range l.hold {
		_, err := conn.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	release = sync.OnceFunc(func() {
		_, err := conn.ExecContext(context.Background(), l.release)
		err = errors.Join(err, conn.Close(), db.Close())
		assert.NoError(t, err)
	})
	t.Cleanup(release)
	return release
}

func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// TestStrangersLock holds what changes need: who gives them a deadline is told in
// time, the database is known to take none, and does again when it is over.
func TestStrangersLock(t *testing.T) {
	for _, l := range locks {
		t.Run(l.name, func(t *testing.T) {
			config := l.database.config(t)
			s := openConfig(t, config)
			require.NoError(t, s.RecordFailures(t.Context(), FailureChange{New: []Failure{{"alice", "192.0.2.1/32", s.now()}}}, time.Time{}))
			release := l.take(t, config)
			hurried, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			var err error
			assert.LessOrEqual(t, took(func() {
				err = s.RecordFailures(hurried, FailureChange{New: []Failure{{"alice", "192.0.2.1/32", s.now()}}}, time.Time{})
			}), 10*time.Second)
			require.ErrorIs(t, err, ErrLate)
			assert.LessOrEqual(t, took(func() { err = s.CanChange(t.Context()) }), 10*time.Second)
			assert.Equal(t, errors.Is(err, ErrLate), l.everything, "%v", err)
			if l.everything {
				require.ErrorIs(t, s.RefusesChanges(t.Context()), ErrLate, "changes are made by what is known")
			}
			release()
			recovered := time.Now()
			for err = errors.New("not asked"); err != nil && time.Since(recovered) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
				err = s.CanChange(t.Context())
			}
			assert.NoError(t, err, "after the lock")
			assert.NoError(t, s.RecordFailures(t.Context(), FailureChange{New: []Failure{{"alice", "192.0.2.1/32", s.now()}}}, time.Time{}))
			t.Logf("can change again %s after the lock", time.Since(recovered))
		})
	}
}

// A change without a deadline of its own has one, too.
func TestChangesWaitForALockNotForEver(t *testing.T) {
	for _, l := range locks[:2] {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			config := l.database.config(t)
			s := openConfig(t, config)
			l.take(t, config)
			var err error
			d := took(func() { _, err = s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:alice")}) })
			require.ErrorIs(t, err, ErrLate)
			assert.LessOrEqual(t, d, 2*turnTimeout)
			assert.NotEmpty(t, Hint(err), "no remedy for %v", err)
			t.Logf("refused after %s: %v", d, err)
		})
	}
}

// Clients that ask whether changes can be made cost few of them.
func TestProbesAreFew(t *testing.T) {
	s := onMariaDB.open(t)
	writes := func() (n int64) {
		t.Helper()
		require.NoError(t, s.reader.QueryRowContext(t.Context(), "SELECT number FROM write_lock").Scan(&n))
		return n
	}
	ask := func(f func(context.Context) error) {
		t.Helper()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				assert.NoError(t, f(t.Context()))
			})
		}
		wg.Wait()
	}
	create(t, s, "user:alice")
	before := writes()
	ask(s.CanChange)
	assert.Zero(t, writes()-before, "writes right after a change")
	long := time.Now().Add(-trustInterval)
	s.trusted.Store(&long)
	ask(s.RefusesChanges)
	assert.Zero(t, writes()-before, "writes for those who only want tokens")
	ask(s.CanChange)
	assert.EqualValues(t, 1, writes()-before, "writes for 50 who ask at once")
}

func TestFailuresAreWrittenOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		now := time.Now().UTC().Truncate(time.Microsecond)
		here := FailurePlace{"alice", "192.0.2.1/32"}
		first, second := Failure{here.Name, here.Network, now}, Failure{here.Name, here.Network, now.Add(time.Second)}
		for _, c := range []FailureChange{
			{New: []Failure{first}},
			{New: []Failure{first, second}, Again: true},
		} {
			require.NoError(t, s.RecordFailures(t.Context(), c, time.Time{}))
		}
		listed := func(want ...Failure) {
			t.Helper()
			got, err := s.Failures(t.Context(), here.Name, now.Add(-time.Hour), here.Network, now.Add(-time.Hour))
			require.NoError(t, err)
			require.Len(t, got, len(want))
			for i := range want {
				assert.Equal(t, want[i], got[i], "listed")
			}
		}
		listed(second, first)
		third := Failure{here.Name, here.Network, now.Add(2 * time.Second)}
		require.NoError(t, s.RecordFailures(t.Context(), FailureChange{Forgotten: []FailurePlace{here}, New: []Failure{third}}, time.Time{}))
		listed(third)
	})
}

// rootDSN names the same database for who may lock all tables.
func rootDSN(t *testing.T, dsn string) string {
	t.Helper()
	server := mariadbtest.Started(t)
	server.Exec(t, "GRANT RELOAD ON *.* TO '"+mariadbtest.User+"'@'%'")
	t.Cleanup(func() { server.Exec(t, "REVOKE RELOAD ON *.* FROM '"+mariadbtest.User+"'@'%'") })
	return dsn
}
