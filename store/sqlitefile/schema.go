package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/dockit-registry/dockit/internal/printable"
)

// schemaObject is a table, an index, a trigger or a view.
type schemaObject struct{ kind, name, table, definition string }

// String implements [fmt.Stringer].
func (o schemaObject) String() string {
	if o.table == "" || o.table == o.name {
		return o.kind + " " + o.name
	}
	return o.kind + " " + o.name + " of " + o.table
}

// CheckSchema compares an open database with what migrations make, up to the
// newest. Errors: [ErrForeignSchema], [ErrForeign], [ErrDamaged].
func CheckSchema(ctx context.Context, db *sql.DB, migrations fs.FS) error {
	newest, err := newestMigration(migrations)
	if err != nil {
		return err
	}
	return checkSchema(ctx, db, migrations, newest)
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

// checkSchema compares a database, whose schema has a version, with what the
// migrations up to that make. Errors: [ErrForeignSchema], [ErrForeign],
// [ErrDamaged].
func checkSchema(ctx context.Context, db *sql.DB, migrations fs.FS, version int64) error {
	made, err := migratedSchema(ctx, migrations, version)
	if err != nil {
		return fmt.Errorf("make the schema to compare with: %w", err)
	}
	found, err := readSchema(ctx, db)
	if err != nil {
		return asDamage(err)
	}
	var foreign, missing []string
	for _, o := range found {
		if !slices.Contains(made, o) && !ofLitestream(o) {
			foreign = append(foreign, o.String())
		}
	}
	for _, o := range made {
		if !slices.Contains(found, o) {
			missing = append(missing, o.String())
		}
	}
	switch {
	case len(foreign) > 0:
		return fmt.Errorf("%w: not Dockit's, or not as Dockit makes it: %s: use a database without", ErrForeignSchema, printable.Some(foreign))
	case len(missing) > 0:
		return fmt.Errorf("%w: missing: %s", ErrForeignSchema, printable.Some(missing))
	default:
		return nil
	}
}

// ofLitestream reports whether Litestream makes the object in a database that
// it replicates.
func ofLitestream(o schemaObject) bool {
	return o.kind == "table" && (o.name == "_litestream_seq" || o.name == "_litestream_lock")
}

// migratedSchema is the schema of a new database of a version.
func migratedSchema(ctx context.Context, migrations fs.FS, version int64) (_ []schemaObject, err error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // each connection has a memory of its own
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, err
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		return nil, err
	}
	return readSchema(ctx, db)
}

// readSchema reads what is not SQLite's own.
func readSchema(ctx context.Context, db *sql.DB) ([]schemaObject, error) {
	rows, err := db.QueryContext(ctx, `
		SELECT type, name, tbl_name, COALESCE(sql, '') FROM sqlite_schema
		WHERE NOT (type = 'table' AND name IN ('sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4'))
		ORDER BY type, name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []schemaObject
	for rows.Next() {
		var o schemaObject
		if err := rows.Scan(&o.kind, &o.name, &o.table, &o.definition); err != nil {
			return nil, err
		}
		o.definition = definitionOf(o.definition)
		all = append(all, o)
	}
	return all, rows.Err()
}

var (
	sqlComment = regexp.MustCompile(`--[^\n]*`)
	whiteSpace = regexp.MustCompile(`\s+`)
)

// definitionOf leaves out of a definition what changes nothing.
func definitionOf(text string) string {
	return strings.TrimSpace(whiteSpace.ReplaceAllString(sqlComment.ReplaceAllString(text, " "), " "))
}
