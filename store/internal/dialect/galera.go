package dialect

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

// inGalera reports whether the server is a node of a Galera cluster.
func inGalera(ctx context.Context, db *sql.DB) (bool, error) {
	var name, value string
	err := db.QueryRowContext(ctx, "SHOW VARIABLES LIKE 'wsrep_on'").Scan(&name, &value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("ask whether the server is in a cluster: %w", err)
	}
	return value == "ON", nil
}

// galeraConnector makes connections that are not used again once their node
// left its cluster. Such a node goes on answering, with an error to everything,
// while a new connection may well be led to another one.
type galeraConnector struct{ driver.Connector }

// Connect implements [driver.Connector].
func (c galeraConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := conn.(mysqlConn)
	if !ok {
		return conn, nil // another version of the driver: it works all the same
	}
	return &galeraConn{mysqlConn: full}, nil
}

// mysqlConn is what the driver's connections can do.
type mysqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type galeraConn struct {
	mysqlConn
	left bool
}

// see looks at what the node answered.
func (c *galeraConn) see(err error) {
	if mysqlCode(err) == mysqlNotInQuorum {
		c.left = true
	}
}

// IsValid implements [driver.Validator].
func (c *galeraConn) IsValid() bool { return !c.left && c.mysqlConn.IsValid() }

// BeginTx implements [driver.ConnBeginTx].
func (c *galeraConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.mysqlConn.BeginTx(ctx, opts)
	c.see(err)
	return tx, err
}

// ExecContext implements [driver.ExecerContext].
func (c *galeraConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.mysqlConn.ExecContext(ctx, query, args)
	c.see(err)
	return result, err
}

// QueryContext implements [driver.QueryerContext].
func (c *galeraConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.mysqlConn.QueryContext(ctx, query, args)
	c.see(err)
	return rows, err
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *galeraConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.mysqlConn.PrepareContext(ctx, query)
	c.see(err)
	if full, ok := stmt.(mysqlStmt); ok {
		return &galeraStmt{full, c}, err
	}
	return stmt, err
}

// mysqlStmt is what the driver's prepared statements can do.
type mysqlStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
}

type galeraStmt struct {
	mysqlStmt
	conn *galeraConn
}

// ExecContext implements [driver.StmtExecContext].
func (s *galeraStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	result, err := s.mysqlStmt.ExecContext(ctx, args)
	s.conn.see(err)
	return result, err
}

// QueryContext implements [driver.StmtQueryContext].
func (s *galeraStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.mysqlStmt.QueryContext(ctx, args)
	s.conn.see(err)
	return rows, err
}
