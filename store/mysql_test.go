package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/store/mariadbtest"
	"github.com/dockit-registry/dockit/subject"
)

func TestMySQLDSN(t *testing.T) {
	for _, tc := range []struct{ name, dsn, want string }{
		{"no slash", "dockit:hunter2@tcp(db:3306)", "cannot be read"},
		{"a slash in the password alone", "dockit:hunter2/hunter2", "cannot be read"},
		{"no database", "dockit:hunter2@tcp(db:3306)/", "names no database"},
		{"no user", ":hunter2@tcp(db:3306)/dockit", "names no user"},
		{"URL", "mysql://dockit:hunter2@db:3306/dockit", "is a URL"},
		{"unknown network", "dockit:hunter2@hunter2/dockit", "cannot be read"},
		{"unknown TLS", "dockit:hunter2@tcp(db:3306)/dockit?tls=hunter2", "tls is true"},
		{"autocommit", "dockit:hunter2@tcp(db:3306)/dockit?autocommit=0", "sets autocommit: leave it out, Dockit needs ON"},
		{"isolation", "dockit:hunter2@tcp(db:3306)/dockit?tx_isolation=%27READ-COMMITTED%27", "sets tx_isolation"},
		{"foreign keys", "dockit:hunter2@tcp(db:3306)/dockit?foreign_key_checks=OFF", "sets foreign_key_checks"},
		{"mode", "dockit:hunter2@tcp(db:3306)/dockit?sql_mode=ANSI", "sets sql_mode"},
		{"limit", "dockit:hunter2@tcp(db:3306)/dockit?sql_select_limit=5", "sets sql_select_limit"},
		{"collation", "dockit:hunter2@tcp(db:3306)/dockit?collation=latin1_bin", "sets collation"},
		{"bad timeout", "dockit:hunter2@tcp(db:3306)/dockit?timeout=hunter2", "cannot be read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Open(t.Context(), Config{Dialect: "mysql", DSN: tc.dsn}, zaptest.NewLogger(t))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v does not say %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v shows the password", err)
			}
		})
	}
	config, err := parseMySQLDSN("dockit:secret@tcp(db)/dockit?readTimeout=7s&innodb_lock_wait_timeout=3&multiStatements=true&tls=true")
	if err != nil {
		t.Fatal(err)
	}
	if config.Timeout == 0 || config.ReadTimeout != 7*time.Second || config.WriteTimeout == 0 || config.MultiStatements ||
		!config.ClientFoundRows || config.TLSConfig != "true" || config.Params["innodb_lock_wait_timeout"] != "3" {
		t.Errorf("settings %+v", config)
	}
}

func TestMySQLDSNMayRepeatWhatIsSet(t *testing.T) {
	config, err := parseMySQLDSN("dockit:secret@tcp(db)/dockit?autocommit=1&tx_isolation=%27repeatable-read%27&foreign_key_checks=true&completion_type=0" +
		"&sql_mode=%27NO_ENGINE_SUBSTITUTION,STRICT_ALL_TABLES%27&time_zone=%27%2B00:00%27&collation=utf8mb4_bin&net_write_timeout=60")
	if err != nil {
		t.Fatal(err)
	}
	if config.Params["net_write_timeout"] != "60" {
		t.Errorf("other variables are lost: %v", config.Params)
	}
}

// TestMySQLServerWithOtherDefaults opens a database on a server whose new
// connections have every variable otherwise.
func TestMySQLServerWithOtherDefaults(t *testing.T) {
	server := mariadbtest.Started(t)
	for variable, wrong := range map[string]string{
		"autocommit": "0", "tx_isolation": "'READ-UNCOMMITTED'", "tx_read_only": "1", "completion_type": "'CHAIN'", "foreign_key_checks": "0",
		"unique_checks": "0", "sql_select_limit": "1", "sql_safe_updates": "1", "sql_auto_is_null": "1", "time_zone": "'+05:00'",
		"sql_mode": "'ANSI'", "collation_connection": "'latin1_swedish_ci'",
	} {
		var before string
		if err := server.Admin().QueryRowContext(t.Context(), "SELECT @@GLOBAL."+variable).Scan(&before); err != nil {
			t.Fatal(err)
		}
		server.Exec(t, "SET GLOBAL "+variable+" = "+wrong)
		t.Cleanup(func() {
			if strings.Trim(before, "0123456789") != "" || before == "" {
				before = "'" + before + "'"
			}
			server.Exec(t, "SET GLOBAL "+variable+" = "+before)
		})
	}
	config := Config{Dialect: "mysql", DSN: mariadbtest.DSN(t)}
	one, err := Open(t.Context(), config, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	another, err := Open(t.Context(), config, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer another.Close()
	ref := subject.Ref{Kind: subject.Robot, Name: "ci"}
	if _, err := one.CreateSubject(t.Context(), NewSubject{Ref: ref}); err != nil {
		t.Fatal(err)
	}
	for _, disabled := range []bool{true, false, true} {
		if _, err := one.UpdateSubject(t.Context(), ref, SubjectChange{Disabled: &disabled}, 0); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Store{one, another} {
			if login, err := s.Login(t.Context(), "ci"); err != nil || login.Disabled != disabled {
				t.Fatalf("disabled is %v at once, want %v: %v", login.Disabled, disabled, err)
			}
		}
	}
	if err := another.DeleteSubject(t.Context(), ref, 0); err != nil {
		t.Fatal(err)
	}
}

func TestMySQLVersion(t *testing.T) {
	for version, supported := range map[string]bool{
		"8.0.16": true, "8.4.3-log": true, "9.1.0": true, "8.0.15": false, "5.7.44-log": false,
		"10.11.14-MariaDB-0+deb12u2": true, "5.5.5-10.6.5-MariaDB": true, "11.4.2-MariaDB": true,
		"10.4.34-MariaDB": false, "5.5.68-MariaDB": false, "what": false,
	} {
		if err := checkMySQLVersion(version); (err == nil) != supported {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestMySQLOpenRefuses(t *testing.T) {
	server := mariadbtest.Started(t)
	dsn := mariadbtest.DSN(t)
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	server.Exec(t, "CREATE USER reader@'%' IDENTIFIED BY 'hunter2'")
	server.Exec(t, "GRANT SELECT ON "+config.DBName+".* TO reader@'%'")
	t.Cleanup(func() { server.Exec(t, "DROP USER reader@'%'") })
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, tc := range []struct{ name, dsn, want string }{
		{"wrong password", server.DSN(mariadbtest.User, "hunter2", config.DBName), "check user and password"},
		{"no such database", server.DSN(mariadbtest.User, mariadbtest.Password, "dockit_missing"), "CREATE DATABASE"},
		{"not its database", server.DSN(mariadbtest.User, mariadbtest.Password, "mysql"), "GRANT ALL"},
		{"may read only", server.DSN("reader", "hunter2", config.DBName), "GRANT ALL"},
		{"nobody there", "dockit:hunter2@tcp(127.0.0.1:1)/dockit", "check that it runs"},
		{"silent server", "dockit:hunter2@tcp(" + silent.Addr().String() + ")/dockit?readTimeout=100ms", "check that it runs"},
		{"unknown authority", dsn + "?tls=true", "SSL_CERT_FILE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			began := time.Now()
			_, err := Open(t.Context(), Config{Dialect: "mysql", DSN: tc.dsn}, zaptest.NewLogger(t))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v does not say %q", err, tc.want)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), mariadbtest.Password)) {
				t.Errorf("error %v shows the password", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s to say so", took)
			}
		})
	}
}

// TestMySQLMigrationGoesOn begins where a node died: its statements were made,
// and not written down, and it has the lock for as long as it was granted.
func TestMySQLMigrationGoesOn(t *testing.T) {
	config := onMariaDB.config(t)
	s := openConfig(t, config)
	create(t, s, "user:alice")
	for _, died := range []string{
		"DELETE FROM goose_db_version WHERE version_id > 1",
		"DELETE FROM goose_db_version WHERE version_id > 0",
		"DELETE FROM goose_db_version",
		"DROP TABLE goose_db_version",
	} {
		for _, statement := range []string{died, "UPDATE goose_lock SET locked = TRUE, locked_by = 'dead', lease_expires_at = NOW(6) + INTERVAL 300000 MICROSECOND"} {
			if _, err := s.writer.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := openConfig(t, config).Subject(t.Context(), ref(t, "user:alice")); err != nil {
			t.Errorf("%s: %v", died, err)
		}
	}
}

// TestMySQLWaitsForALock holds the lock for longer than the server waits for it.
func TestMySQLWaitsForALock(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	s := openConfig(t, Config{Dialect: "mysql", DSN: dsn + "?innodb_lock_wait_timeout=1"})
	tx, err := openConfig(t, Config{Dialect: "mysql", DSN: dsn}).writer.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := excludeMySQL(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(1500*time.Millisecond, func() { _ = tx.Rollback() })
	create(t, s, "user:alice")
}

func TestMySQLRepeatsTransactions(t *testing.T) {
	s := onMariaDB.open(t)
	for _, tc := range []struct {
		name string
		err  error
		runs int
	}{
		{"deadlock", &mysql.MySQLError{Number: 1213}, 2},
		{"lock wait timeout", &mysql.MySQLError{Number: 1205}, 2},
		{"conflict in a group", &mysql.MySQLError{Number: 3101}, 2},
		{"node without its cluster", &mysql.MySQLError{Number: 1047}, 2},
		{"lost connection", fmt.Errorf("wrapped: %w", mysql.ErrInvalidConn), 2},
		{"another error", &mysql.MySQLError{Number: 1064}, 1},
		{"cancelled", context.Canceled, 1},
	} {
		runs := 0
		err := s.write(t.Context(), func(*sql.Tx) error {
			if runs++; runs == 1 {
				return tc.err
			}
			return nil
		})
		if runs != tc.runs || (err == nil) != (tc.runs > 1) {
			t.Errorf("%s: ran %d times, want %d: %v", tc.name, runs, tc.runs, err)
		}
	}
}

// TestMySQLLosesNothing cuts connections while several nodes write: everything
// that was acknowledged is there, and nothing is there twice.
func TestMySQLLosesNothing(t *testing.T) {
	server := mariadbtest.Started(t)
	config := onMariaDB.config(t)
	var acknowledged, unknown sync.Map
	var made atomic.Int64
	var writers sync.WaitGroup
	for node := range 3 {
		s := openConfig(t, config)
		for writer := range 2 {
			writers.Go(func() {
				for i := range 60 {
					r := ref(t, fmt.Sprintf("user:u-%d-%d-%d", node, writer, i))
					_, err := s.CreateSubject(t.Context(), NewSubject{Ref: r})
					switch {
					case err == nil:
						acknowledged.Store(r, true)
						made.Add(1)
					case errors.Is(err, ErrUnknownOutcome):
						unknown.Store(r, true)
						made.Add(1)
					default:
						t.Errorf("create %s: %v", r, err)
					}
				}
			})
		}
	}
	var done atomic.Bool
	cut := make(chan int)
	go func() {
		n := 0
		// As often as changes are made, so that a slow machine gets through, too.
		for before := int64(0); !done.Load() && n < 150; time.Sleep(time.Millisecond) {
			if now := made.Load(); now >= before+3 {
				before = now
				n += cutConnections(t, server)
			}
		}
		cut <- n
	}()
	writers.Wait()
	done.Store(true)
	n := <-cut
	s := openConfig(t, config)
	count := 0
	acknowledged.Range(func(r, _ any) bool {
		count++
		if _, err := s.Subject(t.Context(), ref(t, fmt.Sprint(r))); err != nil {
			t.Errorf("acknowledged, but: %v", err)
		}
		return true
	})
	perhaps := 0
	unknown.Range(func(any, any) bool { perhaps++; return true })
	if entries := len(auditOf(t, s)); entries < count || entries > count+perhaps {
		t.Errorf("%d entries in the audit, of %d changes and perhaps %d", entries, count, perhaps)
	}
	t.Logf("%d changes, perhaps %d more, with %d connections cut", count, perhaps, n)
	if count < 200 || n == 0 {
		t.Errorf("%d changes passed with %d connections cut", count, n)
	}
}

// cutConnections ends a few connections and returns how many there were.
func cutConnections(t *testing.T, server *mariadbtest.Server) int {
	t.Helper()
	rows, err := server.Admin().QueryContext(t.Context(),
		"SELECT id FROM information_schema.processlist WHERE user = ? AND command <> 'Sleep' LIMIT 2", mariadbtest.User)
	if err != nil {
		t.Error(err)
		return 0
	}
	ids, err := scanAll(rows, func(row scanner) (id int64, err error) { return id, row.Scan(&id) })
	if err != nil {
		t.Error(err)
	}
	n := 0
	for _, id := range ids {
		if _, err := server.Admin().ExecContext(t.Context(), "KILL CONNECTION ?", id); err == nil {
			n++ // else it ended by itself
		}
	}
	return n
}
