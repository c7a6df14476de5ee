package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// Check says what is wrong with a configuration, as far as that can be told
// without a trace: nothing is made, migrated or locked, no connection to a MySQL
// server is opened, and of a SQLite database only its schema is read. A file
// that does not exist is right where [Open] can make it. Errors:
// [errUnsupportedDialect], [ErrForeign], [ErrDamaged], [errNewerSchema].
func Check(ctx context.Context, config Config) error {
	d, err := dialectOf(config.Dialect)
	if err != nil {
		return err
	}
	replicating, err := newLitestream(config)
	if err != nil {
		return err
	}
	replicating.close()
	return d.check(ctx, config.DSN)
}

func checkMySQL(_ context.Context, dsn string) error {
	_, err := parseMySQLDSN(dsn)
	return err
}

func checkSQLite(ctx context.Context, dsn string) error {
	path, _, err := parseSQLiteDSN(dsn)
	if err != nil {
		return err
	}
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
	version, err := schemaOfFile(ctx, path)
	if err != nil {
		if log, lerr := os.Stat(path + "-wal"); lerr == nil && log.Size() > 0 {
			return nil // some of it stands in the log, which cannot be read without a trace
		}
		return fmt.Errorf("open SQLite database %q: %w", path, withHint(err, Hint(err)))
	}
	known, err := newestMigration(mustSub(sqliteMigrations, "migrations/sqlite"))
	if err != nil {
		return err
	}
	if version > known {
		return fmt.Errorf("SQLite database %q: %w: schema version %d, this Dockit knows %d: start the newer Dockit, or restore a backup", path, errNewerSchema, version, known)
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

// schemaOfFile is the version of the schema in a database file, 0 where no
// Dockit made its tables. The file is taken for one that no program writes: then
// SQLite makes no files beside it.
func schemaOfFile(ctx context.Context, path string) (version int64, err error) {
	db, err := connectFile(path, url.Values{"immutable": {"1"}})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var made bool
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'goose_db_version')").Scan(&made); err != nil {
		return 0, asDamage(err)
	}
	if !made {
		return 0, nil
	}
	err = db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
	return version, asDamage(err)
}
