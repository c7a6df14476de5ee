// Package sqlitefile treats a SQLite database as a file: it checks the file, backs
// it up, and puts a backup in its place. Of the tables it knows the few that make a
// database one of Dockit; the others stand in the migrations that its caller hands
// over.
package sqlitefile

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	moderncsqlite "modernc.org/sqlite"
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
	// ErrNewerSchema is returned for a database that a newer Dockit has migrated.
	ErrNewerSchema = errors.New("database was migrated by a newer version")
	// ErrForeignSchema is returned for a database that holds something that no
	// migration makes, such as a trigger, which would go on to change what Dockit
	// writes.
	ErrForeignSchema = errors.New("the schema is not the one that Dockit makes")
)

// Database says which file a database is.
type Database struct {
	// Path is that of the file.
	Path string
	// Parameters are those of a file: URI, for every connection. Default: none.
	Parameters url.Values
	// Migrations make the schema of a database, from its first version to the
	// newest that is known.
	Migrations fs.FS
}

// URI names the database for a connection, with how its transactions begin
// (deferred, immediate or exclusive) and with pragmas, which those of the
// Parameters may override.
func (d Database) URI(txlock string, pragmas ...string) string {
	values := url.Values{}
	for key, vs := range d.Parameters {
		values[key] = append([]string(nil), vs...)
	}
	values.Set("_txlock", txlock)
	values["_pragma"] = append([]string{"busy_timeout(5000)", "foreign_keys(1)"}, append(pragmas, values["_pragma"]...)...)
	uri := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(d.Path)}).EscapedPath(), RawQuery: values.Encode()}
	return uri.String()
}

// connect opens one connection.
func (d Database) connect(pragmas ...string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", d.URI("deferred", pragmas...))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// existing is the database for connections that do not make its file when it is
// missing, as they would by default.
func (d Database) existing() Database {
	values := url.Values{"mode": {"rw"}}
	for key, vs := range d.Parameters {
		if key != "mode" {
			values[key] = slices.Clone(vs)
		}
	}
	d.Parameters = values
	return d
}

// immutable is another file, taken for one that no program writes: SQLite reads
// it without locks and makes no files beside it.
func (d Database) immutable(path string) Database {
	d.Path, d.Parameters = path, url.Values{"immutable": {"1"}}
	return d
}

// Code is the extended result code of SQLite in an error, or SQLITE_OK where
// there is none.
func Code(err error) int {
	if e, ok := errors.AsType[*moderncsqlite.Error](err); ok {
		return e.Code()
	}
	return sqlitelib.SQLITE_OK
}

// asDamage reports what SQLite could not read as damage.
func asDamage(err error) error {
	switch Code(err) & 0xff {
	case sqlitelib.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrForeign, err)
	case sqlitelib.SQLITE_CORRUPT:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	default:
		return err
	}
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
