package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/mysql/*.sql
var mysqlMigrations embed.FS

var mysqlDialect = &dialect{
	name:       "mysql",
	goose:      goose.DialectMySQL,
	migrations: mustSub(mysqlMigrations, "migrations/mysql"),
	open:       openMySQL,
	find:       findMySQL,
	// Who else can read the database is between the operator and the server.
	exposed: func(string) string { return "" },
	duplicate: func(err error) bool {
		return mysqlCode(err) == mysqlDuplicate
	},
	exclude:     excludeMySQL,
	snapshot:    &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead},
	hashSamples: groupedHashSamples,
	retryable:   retryableMySQL,
	lost:        lostMySQL,
	explain:     explainMySQL,
	migrating:   migratingMySQL,
	// InnoDB overwrites deleted rows when it purges them; no client can say when.
	forget: func(context.Context, *sql.DB) error { return nil },
}

const (
	// writers is enough: transactions that write wait for each other anyway.
	writers = 4
	// lifetime bounds how long connections stay with a server that is not the
	// one to talk to any more.
	lifetime = 3 * time.Minute
	idleTime = 1 * time.Minute
)

// openMySQL opens a pool to write and a pool to read with, so that writers who
// wait for each other leave connections to readers.
func openMySQL(ctx context.Context, dsn string) (writer, reader *sql.DB, err error) {
	config, err := parseMySQLDSN(dsn)
	if err != nil {
		return nil, nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		// The text may hold parts of the DSN.
		return nil, nil, fmt.Errorf("the MySQL DSN cannot be used: write %s", mysqlDSNForm)
	}
	pool := func(connections int) *sql.DB {
		db := sql.OpenDB(connector)
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
		db.SetConnMaxLifetime(lifetime)
		db.SetConnMaxIdleTime(idleTime)
		return db
	}
	writer, reader = pool(writers), pool(max(16, 4*runtime.GOMAXPROCS(0)))
	if err := checkMySQL(ctx, writer); err != nil {
		err = explainMySQL(fmt.Errorf("open MySQL database %q at %s as %q: %w", config.DBName, config.Addr, config.User, err))
		return nil, nil, errors.Join(err, writer.Close(), reader.Close())
	}
	return writer, reader, nil
}

// checkMySQL asks the server for its version, and refuses an old one.
func checkMySQL(ctx context.Context, db *sql.DB) error {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return err
	}
	return checkMySQLVersion(version)
}

// excludeMySQL takes the lock before anything is read: InnoDB makes the
// snapshot of a transaction at its first read, so that it holds what the
// transactions before it wrote. It is a change and no SELECT ... FOR UPDATE,
// because a Galera cluster compares changes only.
func excludeMySQL(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, "UPDATE write_lock SET number = number + 1 WHERE id = 1"); err != nil {
		return fmt.Errorf("wait for other changes: %w", err)
	}
	return nil
}
