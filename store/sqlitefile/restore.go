package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/dockit-registry/dockit/internal/atomicfile"
)

// Restore puts a backup in the place of the database, in one step: a process
// that is killed meanwhile leaves either the old or the new one. The backup is
// checked first and is not changed. A database that exists is replaced with
// force only, even one that is damaged, but never one that a process has open.
// Behind a symbolic link, its target is replaced. What SQLite and Litestream keep
// beside a database goes with the old one. Errors: [ErrFileExists] and [ErrInUse]
// for the database, [ErrDamaged], [ErrForeign], [ErrForeignSchema] and
// [ErrNewerSchema] for the backup.
func (d Database) Restore(ctx context.Context, file string, force bool) (c Copy, err error) {
	if d.Path, err = linkTarget(d.Path); err != nil {
		return c, fmt.Errorf("restore: %w", err)
	}
	old, err := checkRestoreTarget(d.Path, file, force)
	if err != nil {
		return c, err
	}
	restored, c, err := d.copyBackup(ctx, file)
	if err != nil {
		return c, fmt.Errorf("restore %s: %w", file, err)
	}
	if err := d.replace(ctx, restored, old, force); err != nil {
		return c, errors.Join(fmt.Errorf("restore %s to %s: %w", file, d.Path, err), restored.Discard())
	}
	c.File = d.Path
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
func (d Database) copyBackup(ctx context.Context, file string) (copied *atomicfile.File, c Copy, err error) {
	// A single file is read without locks and leaves nothing behind, wherever
	// it is. One that was copied with its log or journal is read with them.
	backup := d.immutable(file)
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(file + suffix); err == nil && info.Size() > 0 {
			backup.Parameters = url.Values{"mode": {"ro"}}
		}
	}
	db, err := backup.connect()
	if err != nil {
		return nil, c, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// A copy of damaged pages can look intact.
	if _, err := d.inspect(ctx, db); err != nil {
		return nil, c, err
	}
	return d.copyInto(ctx, db, d.Path)
}

// replace moves a new database to the place of the old one, which is locked
// meanwhile.
func (d Database) replace(ctx context.Context, restored *atomicfile.File, old fs.FileInfo, force bool) error {
	if old != nil {
		if err := takeOwner(restored.Name(), old); err != nil {
			return err
		}
		unlock, err := d.lock(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = unlock() }() // of what is replaced by then, or stays as it is
	}
	// A log that stayed would be played into the new database.
	for _, beside := range []string{d.Path + "-wal", d.Path + "-shm", d.Path + "-journal"} {
		if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what belongs to the old database: %w", err)
		}
	}
	// Litestream would go on from the old database.
	if err := os.RemoveAll(litestreamFolder(d.Path)); err != nil {
		return fmt.Errorf("remove what Litestream knows of the old database: %w", err)
	}
	atomicfile.SyncFolder(filepath.Dir(d.Path))
	return restored.Commit(force)
}

// litestreamFolder is where Litestream keeps what it knows of a database.
func litestreamFolder(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"-litestream")
}
