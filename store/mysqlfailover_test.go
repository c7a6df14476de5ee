package store

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dockit-registry/dockit/store/mariadbtest"
)

func TestMySQLOverTLS(t *testing.T) {
	server := mariadbtest.Started(t)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate)
	if err := mysql.RegisterTLSConfig("dockit-test", &tls.Config{RootCAs: roots}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mysql.DeregisterTLSConfig("dockit-test") })
	for parameters, encrypted := range map[string]bool{"?tls=dockit-test": true, "?tls=skip-verify": true, "": false} {
		s := openConfig(t, Config{Dialect: "mysql", DSN: mariadbtest.DSN(t) + parameters})
		var name, cipher string
		if err := s.reader.QueryRowContext(t.Context(), "SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher); err != nil {
			t.Fatal(err)
		}
		if (cipher != "") != encrypted {
			t.Errorf("%q: cipher %q", parameters, cipher)
		}
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
	if err == nil || !strings.Contains(err.Error(), "not read-only") {
		t.Errorf("error %v does not say what is wrong", err)
	}
	if _, err := s.Login(t.Context(), "during"); err != nil {
		t.Errorf("reading: %v", err)
	}
}
