package dialect

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/store/sqlitefile"
)

// checkMySQLSchema looks for what would make a table something else than it
// seems to be. Errors: [sqlitefile.ErrForeignSchema].
func checkMySQLSchema(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `
		SELECT 'trigger', trigger_name, event_object_table FROM information_schema.triggers WHERE event_object_schema = DATABASE()
		UNION ALL SELECT 'view', table_name, '' FROM information_schema.views WHERE table_schema = DATABASE()
		ORDER BY 1, 2`)
	if err != nil {
		return fmt.Errorf("look for triggers and views: %w", err)
	}
	defer rows.Close()
	var foreign []string
	for rows.Next() {
		var kind, name, table string
		if err := rows.Scan(&kind, &name, &table); err != nil {
			return fmt.Errorf("look for triggers and views: %w", err)
		}
		if table != "" && table != name {
			name += " of " + table
		}
		foreign = append(foreign, kind+" "+name)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look for triggers and views: %w", err)
	}
	if len(foreign) == 0 {
		return nil
	}
	return fmt.Errorf("%w: not Dockit's: %s: use a database without", sqlitefile.ErrForeignSchema, printable.Some(foreign))
}
