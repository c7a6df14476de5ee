package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	sqlitelib "modernc.org/sqlite/lib"
)

// lock keeps every other process off a database and moves its log into it,
// so that it is whole without. It returns [ErrInUse] when a process has the
// database open, were it idle: each holds a lock for as long as it lives.
func (d Database) lock(ctx context.Context) (unlock func() error, err error) {
	db, err := d.existing().connect("busy_timeout(200)", "locking_mode(EXCLUSIVE)")
	if err != nil {
		return nil, err
	}
	err = lockExclusively(ctx, db)
	switch Code(err) & 0xff {
	case sqlitelib.SQLITE_OK:
		if err == nil {
			return db.Close, nil
		}
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED:
		err = fmt.Errorf("%w: %w: stop the server that uses it first", ErrInUse, err)
	case sqlitelib.SQLITE_NOTADB, sqlitelib.SQLITE_CORRUPT:
		// It is damaged, which is why it is replaced. SQLite does not get as
		// far as the lock.
		if err = errors.Join(db.Close(), checkUnlocked(d.Path)); err != nil {
			return nil, err
		}
		return func() error { return nil }, nil
	}
	return nil, errors.Join(fmt.Errorf("lock the old database: %w", err), db.Close())
}

func lockExclusively(ctx context.Context, db *sql.DB) error {
	// Leaving the write-ahead log takes the lock, and exclusive mode keeps it.
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode = DELETE"); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "ROLLBACK")
	return err
}
