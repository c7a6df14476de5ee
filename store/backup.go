package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Backup copies a SQLite database to a file, as it is at one moment, while a
// server uses it or not. The copy is checked, needs no other file, and can be
// read by its owner alone: it holds the password hashes and keys. A file that
// exists is replaced with force only, and in one step. Errors: [ErrFileExists],
// [ErrDamaged] and [ErrForeign] for the database, [ErrNewerSchema] and
// [ErrUnsupportedDialect].
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
	temporary, c, err := copyInto(ctx, db, file)
	if err != nil {
		return c, fmt.Errorf("back up %s to %s: %w", path, file, err)
	}
	if err := moveFile(temporary, file, force); err != nil {
		return c, errors.Join(fmt.Errorf("back up %s: %w", path, err), os.Remove(temporary))
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
