// Package dialect is everything in which one kind of database differs from
// another: how it is opened, migrated and checked, and what its errors mean.
package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
)

// Dialect is everything in which one kind of database differs from another.
// The SQL itself is written so that SQLite, MySQL 8 and MariaDB all take it.
type Dialect struct {
	Name       string
	Goose      goose.Dialect
	Migrations fs.FS

	// Open returns a pool to write and a pool to read with. Both may be the
	// same.
	Open func(ctx context.Context, dsn string) (writer, reader *sql.DB, err error)
	// Check says what is wrong with a DSN and what it names, without a trace.
	Check func(ctx context.Context, dsn string) error
	// Find reports [ErrNoDatabase] where no Dockit made its tables, and makes
	// nothing.
	Find func(ctx context.Context, dsn string) error
	// Exposed says who else can read the database, or is empty.
	Exposed func(dsn string) string
	// Duplicate reports whether a unique key refused a row.
	Duplicate func(error) bool
	// Exclude makes a transaction, before it does anything else, wait for the
	// ones that write already: what it reads stays true until it commits.
	Exclude func(ctx context.Context, tx *sql.Tx) error
	// Snapshot are the options of a transaction that reads the database as it
	// is at one moment.
	Snapshot *sql.TxOptions
	// Clock is an expression that reads the database's clock, in microseconds of
	// Unix time. It is empty where that is the clock of this machine.
	Clock string
	// HashSamples reads a password hash of each kind. MySQL and MariaDB have no
	// way in common to index an expression.
	HashSamples string
	// Retryable reports whether the database undid a transaction that may pass
	// when it is run once more. A failed commit may be such an error.
	Retryable func(error) bool
	// Busy reports whether a lock that another program holds was waited for too
	// long.
	Busy func(error) bool
	// Writable says why the database takes no writes by its settings.
	Writable func(ctx context.Context, writer *sql.DB) error
	// Lost reports whether the connection broke: what was not committed is
	// undone, and what became of a commit under way is unknown.
	Lost func(error) bool
	// Hint says what the operator can do about an error of a change, empty
	// where that is only for [Hint] to say.
	Hint func(error) string
	// migrating runs migrations so that of several nodes one does at a time.
	// newest is the version after them.
	migrating func(ctx context.Context, db *sql.DB, newest int64, migrate func() error) error
	// CheckSchema refuses a migrated database with objects that no migration
	// makes. Errors: [sqlitefile.ErrForeignSchema].
	CheckSchema func(ctx context.Context, db *sql.DB) error
	// Forget overwrites what was deleted or replaced, as far as the database
	// can, so that a copy of its files does not hold it any more.
	Forget func(ctx context.Context, writer *sql.DB) error
}

// Of is the dialect of a name. Errors: [ErrUnsupported].
func Of(name string) (*Dialect, error) {
	switch name {
	case "sqlite":
		return SQLite, nil
	case "mysql":
		return MySQL, nil
	default:
		return nil, fmt.Errorf("%w %q: use sqlite or mysql", ErrUnsupported, name)
	}
}

// ErrUnsupported is returned for the name of no dialect.
var ErrUnsupported = errors.New("unsupported SQL dialect")

// ErrUnknownOutcome is returned when the connection broke while a transaction was
// committed.
var ErrUnknownOutcome = errors.New("it is not known whether the change was made: look before you make it again")

// checkDSNEnds refuses what files leave around a DSN: it would name another
// database, and a new one with SQLite.
func checkDSNEnds(dsn string) error {
	if strings.Trim(dsn, "\"'\ufeff") != dsn || strings.TrimSpace(dsn) != dsn {
		return errors.New("quotes, white space or a byte order mark stand around the DSN and would be part of it: write it without them")
	}
	return nil
}
