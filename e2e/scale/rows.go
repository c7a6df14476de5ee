package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// rows inserts into one table, many rows with each statement: that is several times as fast as one by one.
type rows struct {
	tx      *sql.Tx
	table   string
	columns []string
	args    []any
	stmt    *sql.Stmt
	added   int
	told    time.Time
}

// rowsAtOnce keeps the parameters of one statement below SQLite's limit of 32,766.
const rowsAtOnce = 1000

func insertInto(ctx context.Context, tx *sql.Tx, table string, columns ...string) (*rows, error) {
	r := &rows{tx: tx, table: table, columns: columns, told: time.Now()}
	var err error
	if r.stmt, err = tx.PrepareContext(ctx, r.statement(rowsAtOnce)); err != nil {
		return nil, fmt.Errorf("insert into %s: %w", table, err)
	}
	return r, nil
}

func (r *rows) statement(count int) string {
	row := "(?" + strings.Repeat(", ?", len(r.columns)-1) + ")"
	return "INSERT INTO " + r.table + " (" + strings.Join(r.columns, ", ") + ") VALUES " + row + strings.Repeat(", "+row, count-1)
}

func (r *rows) add(ctx context.Context, values ...any) error {
	r.args = append(r.args, values...)
	if r.added++; len(r.args) < rowsAtOnce*len(r.columns) {
		return nil
	}
	if time.Since(r.told) > 5*time.Second {
		r.told = time.Now()
		say("  %s: %d rows", r.table, r.added)
	}
	_, err := r.stmt.ExecContext(ctx, r.args...)
	r.args = r.args[:0]
	if err != nil {
		return fmt.Errorf("insert into %s: %w", r.table, err)
	}
	return nil
}

// finish inserts what is left.
func (r *rows) finish(ctx context.Context) error {
	defer r.stmt.Close()
	if len(r.args) == 0 {
		return nil
	}
	if _, err := r.tx.ExecContext(ctx, r.statement(len(r.args)/len(r.columns)), r.args...); err != nil {
		return fmt.Errorf("insert into %s: %w", r.table, err)
	}
	return nil
}
