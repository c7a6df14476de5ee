package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	sqlitelib "modernc.org/sqlite/lib"

	"github.com/dockit-registry/dockit/internal/atomicfile"
)

// Backup copies a SQLite database to a file, as it is at one moment, while a
// server uses it or not. The copy is checked, needs no other file, and can be
// read by its owner alone: it holds the password hashes and keys. A file that
// exists is replaced with force only, and in one step. Errors: [ErrFileExists],
// [ErrDamaged] and [ErrForeign] for the database, [errNewerSchema] and
// [errUnsupportedDialect].
func Backup(ctx context.Context, config Config, file string, force bool) (c Copy, err error) {
	path, query, err := sqlitePath(config)
	if err != nil {
		return c, err
	}
	if file, err = linkTarget(file); err != nil {
		return c, fmt.Errorf("back up: %w", err)
	}
	if err := checkBackupTarget(path, file, force); err != nil {
		return c, err
	}
	// Missing files are not made, as they would be by default.
	db, err := connectFile(path, with(query, "mode", "rw"))
	if err != nil {
		return c, fmt.Errorf("back up %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// A copy of damaged pages can look intact.
	if _, err := inspectSQLite(ctx, db); err != nil {
		return c, fmt.Errorf("back up %s: %w", path, err)
	}
	backup, c, err := copyInto(ctx, db, file)
	if err != nil {
		return c, fmt.Errorf("back up %s to %s: %w", path, file, err)
	}
	if err := backup.Commit(force); err != nil {
		return c, errors.Join(fmt.Errorf("back up %s: %w", path, err), backup.Discard())
	}
	c.File = file
	return c, nil
}

// checkBackupTarget finds what would fail after all of the work.
func checkBackupTarget(path, file string, force bool) error {
	source, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("back up the database: %w: name the database with --sql-dsn or DOCKIT_SQL_DSN", err)
	}
	target, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it is made
	case err != nil:
		return fmt.Errorf("back up to %s: %w", file, err)
	case target.IsDir():
		return fmt.Errorf("back up to %s: it is a folder: name a file in it", file)
	case os.SameFile(source, target):
		return fmt.Errorf("back up %s: that is the database itself: name another file", path)
	case !force:
		return fmt.Errorf("%w: %s", ErrFileExists, file)
	default:
		return nil
	}
}

// Restore puts a backup in the place of a SQLite database, in one step: a
// process that is killed meanwhile leaves either the old or the new one. The
// backup is checked first and is not changed. A database that exists is
// replaced with force only, even one that is damaged, but never one that a
// process has open. Behind a symbolic link, its target is replaced. What SQLite and Litestream keep beside a database goes with
// the old one. Errors: [ErrFileExists] and [ErrInUse] for the database,
// [ErrDamaged], [ErrForeign], [errForeignSchema] and [errNewerSchema] for the
// backup, and [errUnsupportedDialect].
func Restore(ctx context.Context, config Config, file string, force bool) (c Copy, err error) {
	path, query, err := sqlitePath(config)
	if err != nil {
		return c, err
	}
	if path, err = linkTarget(path); err != nil {
		return c, fmt.Errorf("restore: %w", err)
	}
	old, err := checkRestoreTarget(path, file, force)
	if err != nil {
		return c, err
	}
	restored, c, err := copyBackup(ctx, file, path)
	if err != nil {
		return c, fmt.Errorf("restore %s: %w", file, err)
	}
	if err := replaceDatabase(ctx, path, query, restored, old, force); err != nil {
		return c, errors.Join(fmt.Errorf("restore %s to %s: %w", file, path, err), restored.Discard())
	}
	c.File = path
	return c, nil
}

// checkRestoreTarget finds what would fail after all of the work, and returns
// what is known of the old database, or nil.
func checkRestoreTarget(path, file string, force bool) (fs.FileInfo, error) {
	source, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("restore: %w: name a file that 'dockit backup' wrote", err)
	}
	if !source.Mode().IsRegular() {
		return nil, fmt.Errorf("restore %s: it is no file: name one that 'dockit backup' wrote", file)
	}
	target, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // there is none
	case err != nil:
		return nil, fmt.Errorf("restore to %s: %w", path, err)
	case !target.Mode().IsRegular():
		return nil, fmt.Errorf("restore to %s: it is no file: name the database with --sql-dsn or DOCKIT_SQL_DSN", path)
	case os.SameFile(source, target):
		return nil, fmt.Errorf("restore %s: that is the database itself: name a backup of it", file)
	case !force:
		return nil, fmt.Errorf("%w: %s", ErrFileExists, path)
	default:
		return target, nil
	}
}

// copyBackup checks a backup and copies it beside the database.
func copyBackup(ctx context.Context, file, path string) (copied *atomicfile.File, c Copy, err error) {
	// A single file is read without locks and leaves nothing behind, wherever
	// it is. One that was copied with its log or journal is read with them.
	query := url.Values{"immutable": {"1"}}
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(file + suffix); err == nil && info.Size() > 0 {
			query = url.Values{"mode": {"ro"}}
		}
	}
	db, err := connectFile(file, query)
	if err != nil {
		return nil, c, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// A copy of damaged pages can look intact.
	if _, err := inspectSQLite(ctx, db); err != nil {
		return nil, c, err
	}
	return copyInto(ctx, db, path)
}

// replaceDatabase moves a new database to the place of the old one, which is
// locked meanwhile.
func replaceDatabase(ctx context.Context, path string, query url.Values, restored *atomicfile.File, old fs.FileInfo, force bool) (err error) {
	if old != nil {
		if err := takeOwner(restored.Name(), old); err != nil {
			return err
		}
		unlock, err := lockOld(ctx, path, query)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	// A log that stayed would be played into the new database.
	for _, beside := range []string{path + "-wal", path + "-shm", path + "-journal"} {
		if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what belongs to the old database: %w", err)
		}
	}
	// Litestream would go on from the old database.
	if err := os.RemoveAll(litestreamFolder(path)); err != nil {
		return fmt.Errorf("remove what Litestream knows of the old database: %w", err)
	}
	atomicfile.SyncFolder(filepath.Dir(path))
	return restored.Commit(force)
}

// litestreamFolder is where Litestream keeps what it knows of a database.
func litestreamFolder(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"-litestream")
}

// lockOld keeps every other process off a database and moves its log into it,
// so that it is whole without. It returns [ErrInUse] when a process has the
// database open, were it idle: each holds a lock for as long as it lives.
func lockOld(ctx context.Context, path string, query url.Values) (unlock func() error, err error) {
	db, err := connectFile(path, with(query, "mode", "rw"), "busy_timeout(200)", "locking_mode(EXCLUSIVE)")
	if err != nil {
		return nil, err
	}
	err = lockExclusively(ctx, db)
	switch sqliteCode(err) & 0xff {
	case sqlitelib.SQLITE_OK:
		if err == nil {
			return db.Close, nil
		}
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED:
		err = fmt.Errorf("%w: %w: stop the server that uses it first", ErrInUse, err)
	case sqlitelib.SQLITE_NOTADB, sqlitelib.SQLITE_CORRUPT:
		// It is damaged, which is why it is replaced. SQLite does not get as
		// far as the lock.
		if err = errors.Join(db.Close(), checkUnlocked(path)); err != nil {
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
