package store

import (
	"database/sql"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store/migrations"
)

// schema is what both kinds of databases have to agree on: columns with their
// types, and keys and indexes with their columns.
type schema struct {
	columns, indexes, references map[string]string
}

// withoutDefault have one in SQLite alone: MySQL knows none of MEDIUMTEXT, and
// every insert names them.
var withoutDefault = []string{"access_tokens.networks", "access_tokens.scopes"}

// onlySQLite and onlyMySQL are the indexes that differ. SQLite has partial ones,
// and MySQL none of expressions that MariaDB has, too.
var (
	onlySQLite = map[string]string{
		"subjects.subjects_admins":       "(kind, name)",
		"subjects.subjects_disabled":     "(kind, name)",
		"subjects.subjects_by_hash_kind": "(an expression)",
	}
	onlyMySQL = map[string]string{
		"subjects.subjects_disabled": "(kind, disabled, name)",
	}
)

func TestSchemasAreTheSame(t *testing.T) {
	assert.Equal(t, migrationNames(t, migrations.SQLite), migrationNames(t, migrations.MySQL), "migrations")
	inSQLite, inMySQL := schemaOfSQLite(t, onSQLite.open(t)), schemaOfMySQL(t, onMariaDB.open(t))
	require.Contains(t, inSQLite.columns, "subjects.name")
	require.Contains(t, inSQLite.indexes, "subjects.subjects_by_kind")
	require.Contains(t, inSQLite.references, "memberships.member_id")

	for _, name := range withoutDefault {
		inMySQL.columns[name] += " DEFAULT ''"
	}
	assert.Equal(t, inSQLite.columns, inMySQL.columns, "columns")
	assert.Equal(t, inSQLite.references, inMySQL.references, "foreign keys")
	for name, columns := range onlySQLite {
		assert.Equal(t, columns, inSQLite.indexes[name], name)
		delete(inSQLite.indexes, name)
	}
	for name, columns := range onlyMySQL {
		assert.Equal(t, columns, inMySQL.indexes[name], name)
		delete(inMySQL.indexes, name)
	}
	assert.Equal(t, inSQLite.indexes, inMySQL.indexes, "indexes")
}

func schemaOfSQLite(t *testing.T, s *Store) schema {
	t.Helper()
	const tables = `sqlite_master t %s WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%%' AND t.name NOT LIKE 'goose%%' ORDER BY `
	found := schema{columns: map[string]string{}, indexes: map[string]string{}, references: map[string]string{}}
	for _, row := range rowsOf(t, s, `SELECT t.name, c.name, c.type, c."notnull" OR c.pk > 0, COALESCE(c.dflt_value, '') FROM `+
		fmt.Sprintf(tables, "JOIN pragma_table_info(t.name) c")+"1, 2") {
		found.columns[row[0]+"."+row[1]] = column(row[2], row[3] == "1", strings.TrimPrefix(row[4], "x"))
	}
	primary := rowsOf(t, s, `SELECT t.name, 'PRIMARY', c.name FROM `+fmt.Sprintf(tables, "JOIN pragma_table_info(t.name) c ON c.pk > 0")+"1, c.pk")
	others := rowsOf(t, s, `SELECT t.name, CASE i.origin WHEN 'u' THEN 'UNIQUE' ELSE i.name END, COALESCE(c.name, 'an expression') FROM `+
		fmt.Sprintf(tables, "JOIN pragma_index_list(t.name) i ON i.origin <> 'pk' JOIN pragma_index_info(i.name) c")+"1, i.name, c.seqno")
	found.indexes = indexes(append(primary, others...))
	for _, row := range rowsOf(t, s, `SELECT t.name, f."from", f."table", f."to", f.on_delete FROM `+
		fmt.Sprintf(tables, "JOIN pragma_foreign_key_list(t.name) f")+"1, 2") {
		found.references[row[0]+"."+row[1]] = reference(row[2:])
	}
	return found
}

func schemaOfMySQL(t *testing.T, s *Store) schema {
	t.Helper()
	// The lock of MySQL stands for that of SQLite's file.
	const own = `table_schema = DATABASE() AND table_name NOT LIKE 'goose%' AND table_name <> 'write_lock'`
	types := map[string]string{
		"bigint": "INTEGER", "tinyint": "INTEGER", "varchar utf8mb4_bin": "TEXT", "mediumtext utf8mb4_bin": "TEXT", "varbinary": "BLOB", "mediumblob": "BLOB",
	}
	found := schema{columns: map[string]string{}, references: map[string]string{}}
	for _, row := range rowsOf(t, s, `SELECT table_name, column_name, TRIM(CONCAT(data_type, ' ', COALESCE(collation_name, ''))), is_nullable = 'NO',
		COALESCE(column_default, '') FROM information_schema.columns WHERE `+own) {
		kind, ok := types[row[2]]
		assert.True(t, ok, "%s.%s is %s", row[0], row[1], row[2])
		found.columns[row[0]+"."+row[1]] = column(kind, row[3] == "1", row[4])
	}
	found.indexes = indexes(rowsOf(t, s, `SELECT table_name, CASE WHEN index_name <> 'PRIMARY' AND non_unique = 0 THEN 'UNIQUE' ELSE index_name END, column_name
		FROM information_schema.statistics WHERE `+own+` ORDER BY table_name, index_name, seq_in_index`))
	for _, row := range rowsOf(t, s, `SELECT c.table_name, c.column_name, c.referenced_table_name, c.referenced_column_name, r.delete_rule
		FROM information_schema.key_column_usage c JOIN information_schema.referential_constraints r
		ON r.constraint_schema = c.table_schema AND r.table_name = c.table_name AND r.constraint_name = c.constraint_name
		WHERE c.table_schema = DATABASE() AND c.referenced_table_name IS NOT NULL`) {
		found.references[row[0]+"."+row[1]] = reference(row[2:])
	}
	return found
}

func column(kind string, needed bool, standard string) string {
	if needed {
		kind += " NOT NULL"
	}
	if standard != "" {
		kind += " DEFAULT " + standard
	}
	return kind
}

func reference(to []string) string {
	return fmt.Sprintf("REFERENCES %s (%s) ON DELETE %s", to[0], to[1], to[2])
}

// indexes puts the columns of each index together, which come in their order.
// Those of a unique constraint have no name in common: its table has one.
func indexes(rows [][]string) map[string]string {
	columns := map[string][]string{}
	for _, row := range rows {
		name := row[0] + "." + row[1]
		columns[name] = append(columns[name], row[2])
	}
	return maps.Collect(func(yield func(string, string) bool) {
		for name, list := range columns {
			if !yield(name, "("+strings.Join(list, ", ")+")") {
				return
			}
		}
	})
}

func rowsOf(t *testing.T, s *Store, query string) [][]string {
	t.Helper()
	rows, err := s.reader.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	names, err := rows.Columns()
	require.NoError(t, err)
	var all [][]string
	for rows.Next() {
		values, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		row := make([]string, len(names))
		for i, v := range values {
			row[i] = v.String
		}
		all = append(all, row)
	}
	require.NoError(t, rows.Err())
	return all
}

func migrationNames(t *testing.T, steps fs.FS) []string {
	t.Helper()
	names, err := fs.Glob(steps, "*.sql")
	require.NoError(t, err)
	return names
}
