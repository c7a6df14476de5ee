package galera

import (
	"context"
	"database/sql"
	"fmt"
)

// Checksums are those of every table of Database, by table.
func (n *Node) Checksums(ctx context.Context) (map[string]int64, error) {
	rows, err := n.db.QueryContext(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = ?", Database)
	if err != nil {
		return nil, fmt.Errorf("list the tables of %s: %w", n, err)
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return nil, err
		}
		tables = append(tables, Database+"."+table)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	sums := map[string]int64{}
	for _, table := range tables {
		var name string
		var sum sql.NullInt64
		if err := n.db.QueryRowContext(ctx, "CHECKSUM TABLE "+table).Scan(&name, &sum); err != nil {
			return nil, fmt.Errorf("%s: checksum of %s: %w", n, table, err)
		}
		sums[table] = sum.Int64
	}
	return sums, nil
}

// Conflicts is how many changes were undone since the node started because another node made one at the same time.
func (n *Node) Conflicts(ctx context.Context) (int, error) {
	var sum int
	for _, variable := range []string{"wsrep_local_cert_failures", "wsrep_local_bf_aborts"} {
		var name string
		var count int
		if err := n.db.QueryRowContext(ctx, "SHOW STATUS LIKE '"+variable+"'").Scan(&name, &count); err != nil {
			return 0, fmt.Errorf("count the conflicts of %s: %w", n, err)
		}
		sum += count
	}
	return sum, nil
}
