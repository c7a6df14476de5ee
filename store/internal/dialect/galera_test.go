package dialect

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
			_, err := db.ExecContext(t.Context(), "DELETE")
			require.ErrorIs(t, err, tc.err)
		}
		assert.Equal(t, tc.opened, opened, "%v: connected %d times", tc.err, opened)
		assert.NoError(t, db.Close())
	}
}

// TestGaleraConnectionsWork does everything over connections as in a cluster.
func TestGaleraConnectionsWork(t *testing.T) {
	config, err := parseMySQLDSN(mariadbtest.DSN(t))
	require.NoError(t, err)
	setVariable(config, "wsrep_sync_wait", "1")
	connector, err := newMySQLConnector(config, true, "")
	require.NoError(t, err)
	conn, err := connector.Connect(t.Context())
	require.NoError(t, err)
	_, ok := conn.(*galeraConn)
	assert.True(t, ok, "the driver's connections cannot do what is needed any more: %T", conn)
	require.NoError(t, conn.Close())
	db := sql.OpenDB(connector)
	defer db.Close()
	stmt, err := db.PrepareContext(t.Context(), "SELECT ? + @@wsrep_sync_wait")
	require.NoError(t, err)
	defer stmt.Close()
	var sum int
	require.NoError(t, stmt.QueryRowContext(t.Context(), 1).Scan(&sum))
	assert.Equal(t, 2, sum)
	in, err := inGalera(t.Context(), db)
	require.NoError(t, err, "a server by itself is in a cluster: %t", in)
	assert.False(t, in, "a server by itself is in a cluster: %t", in)
}

func TestMySQLLost(t *testing.T) {
	for code, lost := range map[uint16]bool{mysqlNotInQuorum: true, mysqlHalfCommit: true, 1053: true, mysqlDeadlock: false, mysqlDuplicate: false} {
		assert.Equal(t, lost, lostMySQL((&mysql.MySQLError{Number: code})), "error %d: lost is %t", code, !lost)
	}
	for _, code := range []uint16{mysqlNotInQuorum, mysqlDeadlock, mysqlLockWait, mysqlCertify} {
		assert.NotEmpty(t, Hint(&mysql.MySQLError{Number: code}), "error %d has no remedy", code)
	}
}
