package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// dialect is everything in which one kind of database differs from another.
// The SQL itself is written so that SQLite and MySQL both take it.
type dialect struct {
	name       string
	goose      goose.Dialect
	migrations fs.FS

	// open returns a pool to write and a pool to read with. Both may be the
	// same.
	open func(ctx context.Context, dsn string) (writer, reader *sql.DB, err error)
	// exposed says who else can read the database, or is empty.
	exposed func(dsn string) string
	// duplicate reports whether a unique key refused a row.
	duplicate func(error) bool
	// retryable reports whether the same transaction may pass when it is run
	// once more.
	retryable func(error) bool
	// forget overwrites what was deleted or replaced, as far as the database
	// can, so that a copy of its files does not hold it any more.
	forget func(ctx context.Context, writer *sql.DB) error
}

func dialectOf(name string) (*dialect, error) {
	switch name {
	case "sqlite":
		return sqlite, nil
	case "mysql":
		return nil, fmt.Errorf("%w %q: this version stores in sqlite only", ErrUnsupportedDialect, name)
	default:
		return nil, fmt.Errorf("%w %q: use sqlite", ErrUnsupportedDialect, name)
	}
}
