package store

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store/mariadbtest"
)

func TestMySQLOverTLS(t *testing.T) {
	server := mariadbtest.Started(t)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate)
	require.NoError(t, mysql.RegisterTLSConfig("dockit-test", &tls.Config{RootCAs: roots}))
	t.Cleanup(func() { mysql.DeregisterTLSConfig("dockit-test") })
	for parameters, encrypted := range map[string]bool{"?tls=dockit-test": true, "?tls=skip-verify": true, "": false} {
		s := openConfig(t, Config{Dialect: "mysql", DSN: mariadbtest.DSN(t) + parameters})
		var name, cipher string
		require.NoError(t, s.reader.QueryRowContext(t.Context(), "SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher))
		assert.Equal(t, encrypted, cipher != "", "%q: cipher %q", parameters, cipher)
	}
}

// TestMySQLReadOnly is how a failover begins: the server that was written to
// takes no changes any more.
func TestMySQLReadOnly(t *testing.T) {
	server := mariadbtest.Started(t)
	s := onMariaDB.open(t)
	create(t, s, "user:before")
	readOnly := func() { server.Exec(t, "SET GLOBAL read_only = 1") }
	writable := func() { server.Exec(t, "SET GLOBAL read_only = 0") }
	t.Cleanup(writable)

	readOnly()
	over := time.AfterFunc(300*time.Millisecond, writable)
	defer over.Stop()
	create(t, s, "user:during")

	readOnly()
	_, err := s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:after")})
	require.ErrorContains(t, err, "not read-only", "error %v does not say what is wrong", err)
	_, err = s.Login(t.Context(), "during")
	assert.NoError(t, err, "reading")
}

// TestMySQLBrokenWhileAsked breaks the connection on which somebody's login is asked for: the server is there, and
// answers on the next one.
func TestMySQLBrokenWhileAsked(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	s := openConfig(t, Config{Dialect: "mysql", DSN: dsn})
	create(t, s, "user:alice")
	other, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	defer other.Close()
	for name, ask := range map[string]func() error{
		"the marks": func() error { _, err := s.Marks(t.Context()); return err },
		"a login":   func() error { _, err := s.Login(t.Context(), "alice"); return err },
		"rights":    func() error { _, err := s.AnonymousPermissions(t.Context()); return err },
		"failures":  func() error { _, err := s.Failures(t.Context(), "alice", time.Time{}, "", time.Time{}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			locked, err := other.Conn(t.Context())
			require.NoError(t, err)
			defer locked.Close()
			_, err = locked.ExecContext(t.Context(), "LOCK TABLES revision WRITE, subjects WRITE, permissions WRITE, login_failures WRITE")
			require.NoError(t, err)
			answer := make(chan error, 1)
			go func() { answer <- ask() }()
			waiting := 0
			require.Eventually(t, func() bool {
				return other.QueryRowContext(t.Context(), "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for table%'").Scan(&waiting) == nil
			}, 10*time.Second, 5*time.Millisecond, "the question waits")
			_, err = other.ExecContext(t.Context(), "KILL ?", waiting)
			require.NoError(t, err)
			_, err = locked.ExecContext(t.Context(), "UNLOCK TABLES")
			require.NoError(t, err)
			require.NoError(t, <-answer)
		})
	}
}
