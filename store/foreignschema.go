package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

// errForeignSchema is returned for a database that holds something that no
// migration makes, such as a trigger, which would go on to change what Dockit
// writes.
var errForeignSchema = errors.New("the schema is not the one that Dockit makes")

// schemaObject is a table, an index, a trigger or a view.
type schemaObject struct{ kind, name, table, definition string }

// String implements [fmt.Stringer].
func (o schemaObject) String() string {
	if o.table == "" || o.table == o.name {
		return o.kind + " " + o.name
	}
	return o.kind + " " + o.name + " of " + o.table
}

// checkSQLiteSchema compares a database, whose schema has a version, with what
// the migrations up to that make. Errors: [errForeignSchema].
func checkSQLiteSchema(ctx context.Context, db *sql.DB, version int64) error {
	made, err := migratedSchema(ctx, version)
	if err != nil {
		return fmt.Errorf("make the schema to compare with: %w", err)
	}
	found, err := readSQLiteSchema(ctx, db)
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
		return fmt.Errorf("%w: not Dockit's, or not as Dockit makes it: %s: use a database without", errForeignSchema, some(foreign))
	case len(missing) > 0:
		return fmt.Errorf("%w: missing: %s", errForeignSchema, some(missing))
	default:
		return nil
	}
}

// some lists a few names.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// ofLitestream reports whether Litestream makes the object in a database that
// it replicates.
func ofLitestream(o schemaObject) bool {
	return o.kind == "table" && (o.name == "_litestream_seq" || o.name == "_litestream_lock")
}

// migratedSchema is the schema of a new database of a version.
func migratedSchema(ctx context.Context, version int64) (_ []schemaObject, err error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // each connection has a memory of its own
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, sqliteMigrationFiles, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, err
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		return nil, err
	}
	return readSQLiteSchema(ctx, db)
}

// readSQLiteSchema reads what is not SQLite's own.
func readSQLiteSchema(ctx context.Context, db *sql.DB) ([]schemaObject, error) {
	return collect(ctx, db, func(row scanner) (o schemaObject, err error) {
		err = row.Scan(&o.kind, &o.name, &o.table, &o.definition)
		o.definition = definitionOf(o.definition)
		return o, err
	}, `
		SELECT type, name, tbl_name, COALESCE(sql, '') FROM sqlite_schema
		WHERE NOT (type = 'table' AND name IN ('sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4'))
		ORDER BY type, name`)
}

var (
	sqlComment = regexp.MustCompile(`--[^\n]*`)
	whiteSpace = regexp.MustCompile(`\s+`)
)

// definitionOf leaves out of a definition what changes nothing.
func definitionOf(text string) string {
	return strings.TrimSpace(whiteSpace.ReplaceAllString(sqlComment.ReplaceAllString(text, " "), " "))
}

// checkMySQLSchema looks for what would make a table something else than it
// seems to be. Errors: [errForeignSchema].
func checkMySQLSchema(ctx context.Context, db *sql.DB, _ int64) error {
	found, err := collect(ctx, db, func(row scanner) (o schemaObject, err error) { return o, row.Scan(&o.kind, &o.name, &o.table) }, `
		SELECT 'trigger', trigger_name, event_object_table FROM information_schema.triggers WHERE event_object_schema = DATABASE()
		UNION ALL SELECT 'view', table_name, '' FROM information_schema.views WHERE table_schema = DATABASE()
		ORDER BY 1, 2`)
	if err != nil {
		return fmt.Errorf("look for triggers and views: %w", err)
	}
	if len(found) == 0 {
		return nil
	}
	foreign := make([]string, len(found))
	for i, o := range found {
		foreign[i] = o.String()
	}
	return fmt.Errorf("%w: not Dockit's: %s: use a database without", errForeignSchema, some(foreign))
}
