package store

import (
	"io/fs"
	"reflect"
	"slices"
	"testing"
)

// TestSchemasAreTheSame compares the columns of all tables.
func TestSchemasAreTheSame(t *testing.T) {
	if sqlite, mysql := migrationNames(t, sqlite), migrationNames(t, mysqlDialect); !slices.Equal(sqlite, mysql) {
		t.Errorf("migrations of SQLite: %v, of MySQL: %v", sqlite, mysql)
	}
	columns := func(s *Store, query string) map[string]bool {
		t.Helper()
		names, err := collect(t.Context(), s.reader, func(row scanner) (string, error) {
			var table, column string
			err := row.Scan(&table, &column)
			return table + "." + column, err
		}, query)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, name := range names {
			all[name] = true
		}
		return all
	}
	inSQLite := columns(onSQLite.open(t), `
		SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE 'goose%'`)
	inMySQL := columns(onMariaDB.open(t), `
		SELECT table_name, column_name FROM information_schema.columns
		WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%' AND table_name <> 'write_lock'`)
	if len(inSQLite) == 0 || !reflect.DeepEqual(inSQLite, inMySQL) {
		t.Errorf("columns of SQLite: %v\nof MySQL: %v", inSQLite, inMySQL)
	}
}

func migrationNames(t *testing.T, d *dialect) []string {
	t.Helper()
	names, err := fs.Glob(d.migrations, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	return names
}
