package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dockit-registry/dockit/internal/atomicfile"
)

// Backup copies the database to a file, as it is at one moment, while a server
// uses it or not. The copy is checked, needs no other file, and can be read by
// its owner alone: it holds the password hashes and keys. A file that exists is
// replaced with force only, and in one step. Errors: [ErrFileExists],
// [ErrDamaged], [ErrForeign], [ErrForeignSchema] and [ErrNewerSchema] for the
// database.
func (d Database) Backup(ctx context.Context, file string, force bool) (c Copy, err error) {
	if file, err = linkTarget(file); err != nil {
		return c, fmt.Errorf("back up: %w", err)
	}
	if err := checkBackupTarget(d.Path, file, force); err != nil {
		return c, err
	}
	db, err := d.existing().connect()
	if err != nil {
		return c, fmt.Errorf("back up %s: %w", d.Path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// A copy of damaged pages can look intact.
	if _, err := d.inspect(ctx, db); err != nil {
		return c, fmt.Errorf("back up %s: %w", d.Path, err)
	}
	backup, c, err := d.copyInto(ctx, db, file)
	if err != nil {
		return c, fmt.Errorf("back up %s to %s: %w", d.Path, file, err)
	}
	if err := backup.Commit(force); err != nil {
		return c, errors.Join(fmt.Errorf("back up %s: %w", d.Path, err), backup.Discard())
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

// copyInto writes what an open database holds at this moment into a new file
// beside path, for its owner alone, and checks it. Writers do not wait for it.
// The copy has reached the disk, and is to be committed or discarded.
func (d Database) copyInto(ctx context.Context, db *sql.DB, path string) (file *atomicfile.File, c Copy, err error) {
	file, err = atomicfile.Create(path)
	if err != nil {
		return nil, c, fmt.Errorf("%w: check that the folder exists and that this process may write there", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Discard())
		}
	}()
	name, err := filepath.Abs(file.Name()) // SQLite would take a name that starts with file: for a URI
	if err != nil {
		return nil, c, err
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", name); err != nil {
		return nil, c, fmt.Errorf("copy the database: %w", asDamage(err))
	}
	if c, err = d.immutable(name).inspectFile(ctx); err != nil {
		return nil, c, fmt.Errorf("check the copy: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, c, err
	}
	c.Bytes = info.Size()
	return file, c, file.Sync()
}

// inspectFile is [Database.inspect] of what is not open.
func (d Database) inspectFile(ctx context.Context) (c Copy, err error) {
	db, err := d.connect()
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return d.inspect(ctx, db)
}
