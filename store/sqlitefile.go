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
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/dockit-registry/dockit/internal/atomicfile"
)

var (
	// ErrDamaged is returned for a database file that does not hold what it
	// should: some of it was overwritten, or is missing.
	ErrDamaged = errors.New("database is damaged")
	// ErrForeign is returned for a file that is no database of Dockit.
	ErrForeign = errors.New("not a database of Dockit")
	// ErrInUse is returned for a database that must not be replaced, because a
	// process has it open.
	ErrInUse = errors.New("database is in use")
	// ErrFileExists is returned when a file would be replaced without being
	// told to.
	ErrFileExists = atomicfile.ErrExists
)

// Copy describes a copy of a database that was made and checked.
type Copy struct {
	// File is where the copy is.
	File string `json:"file"`
	// Bytes is its size.
	Bytes int64 `json:"bytes"`
	// Schema is the version of its schema.
	Schema int64 `json:"schema"`
	// Revision is that of the rights in it.
	Revision int64 `json:"revision"`
	// Subjects is how many users, robots and groups it holds, without those
	// that are built in.
	Subjects int64 `json:"subjects"`
}

// sqlitePath is the file that the DSN of a configuration names, with the
// parameters of the DSN.
func sqlitePath(config Config) (path string, query url.Values, err error) {
	if config.Dialect != sqlite.name {
		return "", nil, fmt.Errorf("%w %q: files are copied of sqlite databases only; a MySQL server has tools of its own, such as mariadb-dump", errUnsupportedDialect, config.Dialect)
	}
	return parseSQLiteDSN(config.DSN)
}

// connectFile opens one connection to a database file, that reads it as it is
// said by query.
func connectFile(path string, query url.Values, pragmas ...string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqliteURI(path, query, "deferred", pragmas...))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// with adds a parameter to those of a DSN.
func with(query url.Values, name, value string) url.Values {
	values := url.Values{name: {value}}
	for key, vs := range query {
		if key != name {
			values[key] = slices.Clone(vs)
		}
	}
	return values
}

// inspectSQLite checks that a database is one of Dockit, intact, and not newer
// than this program. Errors: [ErrForeign], [ErrDamaged], [errNewerSchema],
// [errForeignSchema].
func inspectSQLite(ctx context.Context, db *sql.DB) (Copy, error) {
	var c Copy
	if err := checkIntegrity(ctx, db); err != nil {
		return c, err
	}
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('goose_db_version', 'subjects', 'permissions', 'revision')").Scan(&tables); err != nil {
		return c, asDamage(err)
	}
	if tables != 4 {
		return c, fmt.Errorf("%w: its tables are missing", ErrForeign)
	}
	if err := db.QueryRowContext(ctx, `
		SELECT (SELECT MAX(version_id) FROM goose_db_version WHERE is_applied), (SELECT number FROM revision WHERE id = 1),
			(SELECT COUNT(*) FROM subjects WHERE id > 2)`).Scan(&c.Schema, &c.Revision, &c.Subjects); err != nil {
		return c, asDamage(err)
	}
	known, err := newestMigration(sqlite.migrations)
	if err != nil {
		return c, err
	}
	if c.Schema > known {
		return c, fmt.Errorf("%w: schema version %d, this Dockit knows %d: use the newer Dockit", errNewerSchema, c.Schema, known)
	}
	return c, checkSQLiteSchema(ctx, db, c.Schema)
}

// checkIntegrity reads the whole database.
func checkIntegrity(ctx context.Context, db *sql.DB) error {
	findings, err := collect(ctx, db, func(row scanner) (s string, err error) { return s, row.Scan(&s) }, "PRAGMA integrity_check(3)")
	if err != nil {
		return asDamage(err)
	}
	if len(findings) != 1 || findings[0] != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, strings.Join(findings, "; "))
	}
	return nil
}

// asDamage reports what SQLite could not read as damage.
func asDamage(err error) error {
	switch sqliteCode(err) & 0xff {
	case sqlitelib.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrForeign, err)
	case sqlitelib.SQLITE_CORRUPT:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	default:
		return err
	}
}

// newestMigration is the version of the schema that this program makes.
func newestMigration(migrations fs.FS) (int64, error) {
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("list migrations: %w", err)
	}
	var newest int64
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", name, err)
		}
		newest = max(newest, version)
	}
	return newest, nil
}

// copyInto writes what a database holds at this moment into a new file beside
// path, for its owner alone, and checks it. Writers do not wait for it. The copy
// has reached the disk, and is to be committed or discarded.
func copyInto(ctx context.Context, db *sql.DB, path string) (file *atomicfile.File, c Copy, err error) {
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
	if c, err = inspectFile(ctx, name, url.Values{"immutable": {"1"}}); err != nil {
		return nil, c, fmt.Errorf("check the copy: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, c, err
	}
	c.Bytes = info.Size()
	return file, c, file.Sync()
}

// inspectFile is [inspectSQLite] of a file.
func inspectFile(ctx context.Context, path string, query url.Values) (c Copy, err error) {
	db, err := connectFile(path, query)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return inspectSQLite(ctx, db)
}

// linkTarget is the file that a path leads to, over symbolic links: to replace a
// link would leave what it leads to, hashes and keys included, where it is. The
// file need not exist, unless a link leads to it.
func linkTarget(path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return resolved, err
	}
	if info, lerr := os.Lstat(path); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
		return "", fmt.Errorf("%s is a link to a file that does not exist: remove it, or name the file: %w", path, err)
	}
	return path, nil
}
