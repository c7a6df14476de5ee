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
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/store/internal/dialect"
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
			require.ErrorContains(t, err, tc.want)
			if err != nil {
				assert.NotContains(t, err.Error(), "hunter2", "error %v shows the password", err)
			}
		})
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
		require.NoError(t, server.Admin().QueryRowContext(t.Context(), "SELECT @@GLOBAL."+variable).Scan(&before))
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
	require.NoError(t, err)
	defer one.Close()
	another, err := Open(t.Context(), config, zaptest.NewLogger(t))
	require.NoError(t, err)
	defer another.Close()
	ref := subject.Ref{Kind: subject.Robot, Name: "ci"}
	_, err = one.CreateSubject(t.Context(), NewSubject{Ref: ref})
	require.NoError(t, err)
	for _, disabled := range []bool{true, false, true} {
		_, err := one.UpdateSubject(t.Context(), ref, SubjectChange{Disabled: &disabled}, 0)
		require.NoError(t, err)
		for _, s := range []*Store{one, another} {
			login, err := s.Login(t.Context(), "ci")
			require.NoError(t, err)
			require.Equal(t, disabled, login.Disabled)
		}
	}
	require.NoError(t, another.DeleteSubject(t.Context(), ref, 0))
}

func TestMySQLOpenRefuses(t *testing.T) {
	server := mariadbtest.Started(t)
	dsn := mariadbtest.DSN(t)
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	server.Exec(t, "CREATE USER reader@'%' IDENTIFIED BY 'hunter2'")
	server.Exec(t, "GRANT SELECT ON "+config.DBName+".* TO reader@'%'")
	t.Cleanup(func() { server.Exec(t, "DROP USER reader@'%'") })
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	require.NoError(t, err)
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
			require.ErrorContains(t, err, tc.want)
			if err != nil {
				assert.NotContains(t, err.Error(), "hunter2")
				assert.NotContains(t, err.Error(), mariadbtest.Password)
			}
			took := time.Since(began)
			assert.LessOrEqual(t, took, 10*time.Second, "it took %s to say so", took)
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
			_, err := s.writer.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		_, err := openConfig(t, config).Subject(t.Context(), ref(t, "user:alice"))
		assert.NoError(t, err, died)
	}
}

// TestMySQLWaitsForALock holds the lock for longer than the server waits for it.
func TestMySQLWaitsForALock(t *testing.T) {
	dsn := mariadbtest.DSN(t)
	s := openConfig(t, Config{Dialect: "mysql", DSN: dsn + "?innodb_lock_wait_timeout=1"})
	tx, err := openConfig(t, Config{Dialect: "mysql", DSN: dsn}).writer.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, dialect.MySQL.Exclude(t.Context(), tx))
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
		assert.Equal(t, tc.runs, runs, "%s: %v", tc.name, err)
		assert.Equal(t, tc.runs > 1, err == nil, "%s: %v", tc.name, err)
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
				ended, err := cutConnections(t.Context(), server)
				assert.NoError(t, err)
				n += ended
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
		_, err := s.Subject(t.Context(), ref(t, fmt.Sprint(r)))
		assert.NoError(t, err, "acknowledged, and lost")
		return true
	})
	perhaps := 0
	unknown.Range(func(any, any) bool { perhaps++; return true })
	entries := len(auditOf(t, s))
	assert.GreaterOrEqual(t, entries, count, "of %d changes and perhaps %d", count, perhaps)
	assert.LessOrEqual(t, entries, count+perhaps, "of %d changes and perhaps %d", count, perhaps)
	t.Logf("%d changes, perhaps %d more, with %d connections cut", count, perhaps, n)
	assert.GreaterOrEqual(t, count, 200)
	assert.NotZero(t, n)
}

// TestMySQLChangeOutlivesCuts cuts the connection of a change that waits for its
// turn more often than a database that does not answer is asked.
func TestMySQLChangeOutlivesCuts(t *testing.T) {
	server := mariadbtest.Started(t)
	config := onMariaDB.config(t)
	s := openConfig(t, config)
	release := strangersLock{database: onMariaDB, hold: []string{"BEGIN", "SELECT * FROM write_lock FOR UPDATE"}, release: "ROLLBACK"}.take(t, config)
	changed, patient := make(chan error, 1), ref(t, "user:patient")
	go func() {
		_, err := s.CreateSubject(t.Context(), NewSubject{Ref: patient})
		changed <- err
	}()
	for n := 0; n < 12; time.Sleep(time.Millisecond) {
		select {
		case err := <-changed:
			require.NoError(t, err)
			require.Fail(t, "changed without its turn")
		default:
		}
		ended, err := cutConnections(t.Context(), server)
		require.NoError(t, err)
		n += ended
	}
	release()
	require.NoError(t, <-changed)
}

// cutConnections ends a few connections and returns how many there were.
func cutConnections(ctx context.Context, server *mariadbtest.Server) (int, error) {
	rows, err := server.Admin().QueryContext(ctx,
		"SELECT id FROM information_schema.processlist WHERE user = ? AND command <> 'Sleep' LIMIT 2", mariadbtest.User)
	if err != nil {
		return 0, err
	}
	ids, err := scanAll(rows, func(row scanner) (id int64, err error) { return id, row.Scan(&id) })
	n := 0
	for _, id := range ids {
		if _, err := server.Admin().ExecContext(ctx, "KILL CONNECTION ?", id); err == nil {
			n++ // else it ended by itself
		}
	}
	return n, err
}
