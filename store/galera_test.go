package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/dockit-registry/dockit/store/mariadbtest"
)

// leavingConn is a connection to a node of a cluster that has lost the others.
type leavingConn struct {
	mysqlConn // nothing else of it is used
	opened    *int
	err       error
}

func (c *leavingConn) IsValid() bool                      { return true }
func (c *leavingConn) Close() error                       { return nil }
func (c *leavingConn) ResetSession(context.Context) error { return nil }
func (c *leavingConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, c.err
}

func (c *leavingConn) Connect(context.Context) (driver.Conn, error) { *c.opened++; return c, nil }
func (c *leavingConn) Driver() driver.Driver                        { return nil }

// TestGaleraLeavesALostNode asks how often a pool connects anew after errors.
func TestGaleraLeavesALostNode(t *testing.T) {
	for _, tc := range []struct {
		err    error
		opened int
	}{
		{nil, 1},
		{&mysql.MySQLError{Number: mysqlDeadlock}, 1},
		{&mysql.MySQLError{Number: mysqlNotInQuorum}, 3},
	} {
		opened := 0
		db := sql.OpenDB(galeraConnector{&leavingConn{opened: &opened, err: tc.err}})
		for range 3 {
			if _, err := db.ExecContext(t.Context(), "DELETE"); !errors.Is(err, tc.err) {
				t.Errorf("error %v, want %v", err, tc.err)
			}
		}
		if opened != tc.opened {
			t.Errorf("%v: connected %d times, want %d", tc.err, opened, tc.opened)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestGaleraConnectionsWork does everything over connections as in a cluster.
func TestGaleraConnectionsWork(t *testing.T) {
	config, err := parseMySQLDSN(mariadbtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	setVariable(config, "wsrep_sync_wait", "1")
	connector, err := newMySQLConnector(config, true, "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connector.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := conn.(*galeraConn); !ok {
		t.Errorf("the driver's connections cannot do what is needed any more: %T", conn)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	stmt, err := db.PrepareContext(t.Context(), "SELECT ? + @@wsrep_sync_wait")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	var sum int
	if err := stmt.QueryRowContext(t.Context(), 1).Scan(&sum); err != nil || sum != 2 {
		t.Errorf("sum %d, %v", sum, err)
	}
	if in, err := inGalera(t.Context(), db); err != nil || in {
		t.Errorf("a server by itself is in a cluster: %t, %v", in, err)
	}
}

func TestMySQLLost(t *testing.T) {
	for code, lost := range map[uint16]bool{mysqlNotInQuorum: true, mysqlHalfCommit: true, 1053: true, mysqlDeadlock: false, mysqlDuplicate: false} {
		if err := (&mysql.MySQLError{Number: code}); lostMySQL(err) != lost {
			t.Errorf("error %d: lost is %t, want %t", code, !lost, lost)
		}
	}
	for _, code := range []uint16{mysqlNotInQuorum, mysqlDeadlock, mysqlLockWait, mysqlCertify} {
		if Hint(&mysql.MySQLError{Number: code}) == "" {
			t.Errorf("error %d has no remedy", code)
		}
	}
}
