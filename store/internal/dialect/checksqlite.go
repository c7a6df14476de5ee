package dialect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dockit-registry/dockit/store/sqlitefile"
)

func checkSQLite(ctx context.Context, dsn string) error {
	database, err := ParseSQLiteDSN(dsn)
	if err != nil {
		return err
	}
	path := database.Path
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkFolder(path)
	case err == nil && info.IsDir():
		return fmt.Errorf("open SQLite database %q: it is a folder: name a file in it", path)
	case err != nil:
		return fmt.Errorf("open SQLite database: %w", err)
	case info.Size() == 0:
		return nil
	}
	version, known, err := database.Schema(ctx)
	if err != nil {
		if log, lerr := os.Stat(path + "-wal"); lerr == nil && log.Size() > 0 {
			return nil // some of it stands in the log, which cannot be read without a trace
		}
		return fmt.Errorf("open SQLite database %q: %w", path, WithHint(err, Hint(err)))
	}
	if version > known {
		return fmt.Errorf("SQLite database %q: %w: schema version %d, this Dockit knows %d: start the newer Dockit, or restore a backup", path, sqlitefile.ErrNewerSchema, version, known)
	}
	return nil
}

// checkFolder checks that a database can be made in its folder.
func checkFolder(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("open SQLite database %q: its folder: %w: make it, or name another file", path, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("open SQLite database %q: %s is not a folder", path, dir)
	}
	return nil
}
