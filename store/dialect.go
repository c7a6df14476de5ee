package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
)

// dialect is everything in which one kind of database differs from another.
// The SQL itself is written so that SQLite, MySQL 8 and MariaDB all take it.
type dialect struct {
	name       string
	goose      goose.Dialect
	migrations fs.FS

	// open returns a pool to write and a pool to read with. Both may be the
	// same.
	open func(ctx context.Context, dsn string) (writer, reader *sql.DB, err error)
	// check says what is wrong with a DSN and what it names, without a trace.
	check func(ctx context.Context, dsn string) error
	// find reports [errNoDatabase] where no Dockit made its tables, and makes
	// nothing.
	find func(ctx context.Context, dsn string) error
	// exposed says who else can read the database, or is empty.
	exposed func(dsn string) string
	// duplicate reports whether a unique key refused a row.
	duplicate func(error) bool
	// exclude makes a transaction, before it does anything else, wait for the
	// ones that write already: what it reads stays true until it commits.
	exclude func(ctx context.Context, tx *sql.Tx) error
	// snapshot are the options of a transaction that reads the database as it
	// is at one moment.
	snapshot *sql.TxOptions
	// clock is an expression that reads the database's clock, in microseconds of
	// Unix time. It is empty where that is the clock of this machine.
	clock string
	// hashSamples reads a password hash of each kind. MySQL and MariaDB have no
	// way in common to index an expression.
	hashSamples string
	// retryable reports whether the database undid a transaction that may pass
	// when it is run once more. A failed commit may be such an error.
	retryable func(error) bool
	// busy reports whether a lock that another program holds was waited for too
	// long.
	busy func(error) bool
	// writable says why the database takes no writes by its settings.
	writable func(ctx context.Context, writer *sql.DB) error
	// lost reports whether the connection broke: what was not committed is
	// undone, and what became of a commit under way is unknown.
	lost func(error) bool
	// hint says what the operator can do about an error of a change, empty
	// where that is only for [Hint] to say.
	hint func(error) string
	// migrating runs migrations so that of several nodes one does at a time.
	// newest is the version after them.
	migrating func(ctx context.Context, db *sql.DB, newest int64, migrate func() error) error
	// checkSchema refuses a database with objects that no migration makes.
	checkSchema func(ctx context.Context, db *sql.DB, version int64) error
	// forget overwrites what was deleted or replaced, as far as the database
	// can, so that a copy of its files does not hold it any more.
	forget func(ctx context.Context, writer *sql.DB) error
}

func dialectOf(name string) (*dialect, error) {
	switch name {
	case "sqlite":
		return sqlite, nil
	case "mysql":
		return mysqlDialect, nil
	default:
		return nil, fmt.Errorf("%w %q: use sqlite or mysql", errUnsupportedDialect, name)
	}
}

// checkDSNEnds refuses what files leave around a DSN: it would name another
// database, and a new one with SQLite.
func checkDSNEnds(dsn string) error {
	if strings.Trim(dsn, "\"'\ufeff") != dsn || strings.TrimSpace(dsn) != dsn {
		return errors.New("quotes, white space or a byte order mark stand around the DSN and would be part of it: write it without them")
	}
	return nil
}
