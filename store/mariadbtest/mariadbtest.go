// Package mariadbtest gives tests databases on a MariaDB server that is theirs
// alone: with its own folder, socket and port, started for the first test that
// asks and stopped when the last one ended.
//
//	func TestMain(m *testing.M) { os.Exit(mariadbtest.Run(m)) }
//
//	func TestSomething(t *testing.T) {
//		dsn := mariadbtest.DSN(t)
//		...
//	}
//
// It needs mariadbd and mariadb-install-db, which scripts/get-mariadb installs.
// Without them, tests are skipped, and in CI they fail.
package mariadbtest

import (
	"database/sql"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// User and Password are those in the DSNs. The user has all rights on the
// databases of tests, and no others.
const (
	User     = "dockit"
	Password = "p@ss:w/rd?" //nolint:gosec // of a server that only tests reach
)

var (
	start = sync.OnceValues(startServer)
	// started is the server once there is one, for Run.
	started atomic.Pointer[Server]
	number  atomic.Int64
)

// Run runs the tests, stops the server if any test started it, and returns the
// exit code.
func Run(m *testing.M) int {
	defer func() {
		if s := started.Load(); s != nil {
			s.stop()
		}
	}()
	return m.Run()
}

// DSN returns the DSN of a new, empty database. It is removed after the test.
func DSN(tb testing.TB) string {
	tb.Helper()
	s := Started(tb)
	name := fmt.Sprintf("dockit_%d", number.Add(1))
	// Not the character set that the tables want: they must not rely on it.
	s.Exec(tb, "CREATE DATABASE "+name+" CHARACTER SET latin1")
	tb.Cleanup(func() { s.Exec(tb, "DROP DATABASE "+name) })
	return s.DSN(User, Password, name)
}

// Started returns the server of this process. Without MariaDB on the machine
// it skips the test, or fails it in CI.
func Started(tb testing.TB) *Server {
	tb.Helper()
	if err := findPrograms(); err != nil {
		if os.Getenv("CI") == "true" {
			require.NoError(tb, err)
		}
		tb.Skip(err)
	}
	s, err := start()
	require.NoError(tb, err)
	return s
}

// DSN is that of a database of the server for a user.
func (s *Server) DSN(user, password, database string) string {
	config := mysql.NewConfig()
	config.User, config.Passwd = user, password
	config.Net, config.Addr = "tcp", s.Address
	config.DBName = database
	return config.FormatDSN()
}

// Exec runs a statement as the administrator of the server.
func (s *Server) Exec(tb testing.TB, statement string, args ...any) {
	tb.Helper()
	// A test's context is cancelled before its cleanup runs.
	_, err := s.admin.Exec(statement, args...) //nolint:noctx // see above
	require.NoError(tb, err, statement)
}

// Admin is a pool of connections of the administrator.
func (s *Server) Admin() *sql.DB { return s.admin }
