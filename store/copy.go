package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/store/internal/dialect"
)

var (
	// errNotEmpty is returned by [CopyAll] for a target that holds more than a
	// fresh database does.
	errNotEmpty = errors.New("the database to copy to is not empty")
	// errSourceChanged is returned by [CopyAll] when another program wrote to the
	// source meanwhile.
	errSourceChanged = errors.New("the database was changed while it was copied")
	// errCopyDiffers is returned by [CopyAll] when what it finds in the target
	// is not what it read from the source.
	errCopyDiffers = errors.New("the copy is not equal to the database")
	// ErrAuditBroken is returned by [CopyAll] when the audit of the source does
	// not verify.
	ErrAuditBroken = errors.New("the chain of the audit is broken")
)

// CopiedTable says how many rows a table has.
type CopiedTable struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// A statement inserts at most so many rows, and of these no more than fit into
// the packets that a server of MySQL takes by default.
const (
	copyRows  = 200
	copyBytes = 1 << 20
)

// CopyAll carries everything from one database to another, fresh one, which may
// be of another dialect. What it reads is as it was at one moment; it is written
// in one transaction, which is committed only when the target holds the same
// rows, its state is exported as the same bytes, and its audit verifies. progress
// is told how many rows were written; it may be nil. The database to copy from
// must not be written to meanwhile. Errors: [errNotEmpty], [errSourceChanged],
// [errCopyDiffers], [ErrAuditBroken], [errForeignSchema] and [ErrUnknownOutcome]; after all but the
// last one the target is as it was.
func CopyAll(ctx context.Context, from, to *Store, progress func(rows int64)) ([]CopiedTable, error) {
	if progress == nil {
		progress = func(int64) {}
	}
	if err := from.dialect.CheckSchema(ctx, from.reader); err != nil {
		return nil, fmt.Errorf("copy the database: %w", err)
	}
	var copied []CopiedTable
	err := to.write(ctx, func(tx *sql.Tx) error {
		if err := checkFresh(ctx, tx); err != nil {
			return err
		}
		source, err := from.reader.BeginTx(ctx, from.dialect.Snapshot)
		if err != nil {
			return fmt.Errorf("begin to read: %w", err)
		}
		defer func() { _ = source.Rollback() }() // it only read
		if copied, err = copyTables(ctx, source, tx, progress); err != nil {
			return err
		}
		if err := verifyCopy(ctx, source, tx); err != nil {
			return err
		}
		return from.checkUnchanged(ctx, source)
	})
	if err != nil && from.dialect != to.dialect {
		err = dialect.WithHint(err, from.dialect.Hint(err)) // the target has said its own
	}
	if err != nil {
		return nil, fmt.Errorf("copy the database: %w", err)
	}
	return copied, nil
}

// checkFresh refuses a database in which anything happened.
func checkFresh(ctx context.Context, tx *sql.Tx) error {
	for _, t := range copiedTables {
		var filled bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+t.name+" WHERE "+t.filled+")").Scan(&filled); err != nil {
			return fmt.Errorf("look whether the table %s is empty: %w", t.name, err)
		}
		if filled {
			return fmt.Errorf("%w: something is in its table %s: name a new one", errNotEmpty, t.name)
		}
	}
	return nil
}

func copyTables(ctx context.Context, source, target *sql.Tx, progress func(int64)) ([]CopiedTable, error) {
	// What a fresh migration made is in the source, too.
	for _, t := range slices.Backward(copiedTables) {
		if _, err := target.ExecContext(ctx, "DELETE FROM "+t.name); err != nil { //nolint:gosec // a name of this package
			return nil, fmt.Errorf("empty the table %s: %w", t.name, err)
		}
	}
	var copied []CopiedTable
	var before int64
	for _, t := range copiedTables {
		rows, err := t.copy(ctx, source, target, func(rows int64) { progress(before + rows) })
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.name, err)
		}
		before += rows
		copied = append(copied, CopiedTable{t.name, rows})
	}
	return copied, nil
}

// copy writes the rows batch by batch as it reads them, and returns their
// number.
func (t *copiedTable) copy(ctx context.Context, source, target *sql.Tx, progress func(int64)) (int64, error) {
	names := t.columns()
	insert := "INSERT INTO " + t.name + " (" + strings.Join(names, ", ") + ") VALUES "
	one := "(?" + strings.Repeat(", ?", len(names)-1) + ")"
	var args []any
	var total int64
	size := 0
	flush := func() error {
		n := len(args) / len(names)
		if n == 0 {
			return nil
		}
		if _, err := target.ExecContext(ctx, insert+one+strings.Repeat(", "+one, n-1), args...); err != nil {
			return fmt.Errorf("write rows: %w", err)
		}
		total += int64(n)
		args, size = args[:0], 0
		progress(total)
		return nil
	}
	err := t.each(ctx, source, func(row []any) error {
		for _, value := range row {
			switch v := value.(type) {
			case *int64:
				args = append(args, *v)
			case *string:
				args, size = append(args, *v), size+len(*v)
			case *[]byte:
				// Drivers read no bytes as nil, which would be NULL.
				args, size = append(args, append([]byte{}, *v...)), size+len(*v)
			}
		}
		if len(args) >= copyRows*len(names) || size >= copyBytes {
			return flush()
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	err = flush()
	return total, err
}

// each reads every row in the order of the primary key.
func (t *copiedTable) each(ctx context.Context, tx *sql.Tx, use func(row []any) error) error {
	rows, err := tx.QueryContext(ctx, "SELECT "+strings.Join(t.columns(), ", ")+" FROM "+t.name+" ORDER BY "+t.key) //nolint:gosec // names of this package
	if err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		row := t.row()
		if err := rows.Scan(row...); err != nil {
			return fmt.Errorf("read a row: %w", err)
		}
		if err := use(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	return nil
}

// digest adds every row to a hash.
func (t *copiedTable) digest(ctx context.Context, tx *sql.Tx, into hash.Hash) error {
	return t.each(ctx, tx, func(row []any) error {
		for _, value := range row {
			switch v := value.(type) {
			case *int64:
				fmt.Fprintf(into, "%d,", *v)
			case *string:
				fmt.Fprintf(into, "%d:%s,", len(*v), *v)
			case *[]byte:
				fmt.Fprintf(into, "%d:%s,", len(*v), *v)
			}
		}
		return nil
	})
}

// copiedTable is a table that [CopyAll] carries over. The columns are named by
// what they hold, because drivers disagree about the types of what they read.
type copiedTable struct {
	name string
	// key are the columns of the primary key.
	key string
	// filled is a condition on rows that no fresh migration makes.
	filled                 string
	integers, texts, blobs []string
}

// copiedTables are all tables of the schema in an order in which rows refer to
// earlier ones only. The tables of goose and write_lock belong to a database,
// and not to what is in it.
var copiedTables = []copiedTable{
	{
		name: "subjects", key: "id", filled: "id > 2 OR version > 1 OR disabled <> 0",
		integers: columns("id admin disabled version created_at updated_at password_expires_at"),
		texts:    columns("kind name password_hash password_made_by password_networks"),
	},
	{
		name: "memberships", key: "member_id, group_id", filled: anyRow,
		integers: columns("group_id member_id created_at"),
	},
	{
		name: "permissions", key: "subject_id, type, name", filled: anyRow,
		integers: columns("subject_id actions created_at updated_at"),
		texts:    columns("type name"),
	},
	{
		name: "signing_keys", key: "id", filled: anyRow,
		integers: columns("brought created_at active_from retired_at revoked_at"),
		texts:    columns("id purpose service issuer sealing"),
		blobs:    columns("certificate private_key mac"),
	},
	{
		name: "signing_keys_version", key: "id", filled: "number <> 0",
		integers: columns("id number"),
	},
	{
		name: "audit_entries", key: "sequence", filled: anyRow,
		integers: columns("sequence at"),
		texts:    columns("action actor address subject state_before state_after previous hash"),
	},
	{
		name: "audit_head", key: "id", filled: "sequence <> 0",
		integers: columns("id sequence"),
		texts:    columns("hash"),
	},
	{
		name: "audit_checkpoints", key: "number", filled: anyRow,
		integers: columns("number sequence"),
		texts:    columns("statement"),
	},
	{
		name: "access_tokens", key: "id", filled: anyRow,
		integers: columns("subject_id previous_until created_at expires_at rotated_at last_used_at"),
		texts:    columns("id name scopes networks last_used_address last_used_client made_by"),
		blobs:    columns("hash previous_hash"),
	},
	{
		name: "refresh_tokens", key: "id", filled: anyRow,
		integers: columns("subject_id created_at expires_at last_used_at proved_at"),
		texts:    columns("id kind service client address last_used_address last_used_client"),
		blobs:    columns("hash"),
	},
	{
		name: "issuers", key: "id", filled: anyRow,
		integers: columns("id max_age disabled version created_at updated_at"),
		texts:    columns("name url kind audiences jwks_url jwks jwks_host ca bearer_file"),
	},
	{
		name: "bindings", key: "id", filled: anyRow,
		integers: columns("id issuer_id subject_id session allow_unprotected disabled version created_at updated_at"),
		texts:    columns("name conditions expose scopes"),
	},
	{
		name: "issuer_keys", key: "issuer_id", filled: anyRow,
		integers: columns("issuer_id fetched_at asked_at away_since"),
		texts:    columns("source away"),
		blobs:    columns("jwks"),
	},
	{
		name: "issuer_refusals", key: "id", filled: anyRow,
		integers: columns("id issuer_id at"),
		texts:    columns("username service address client binding reason"),
	},
	{
		name: "sessions", key: "id", filled: anyRow,
		integers: columns("subject_id binding_id created_at expires_at last_used_at"),
		texts:    columns("id kind service scopes claims job client address last_used_address last_used_client"),
		blobs:    columns("hash"),
	},
	{
		name: "login_failures", key: "id", filled: anyRow,
		integers: columns("id at"),
		texts:    columns("name network"),
	},
	{
		name: "login_networks", key: "subject_id, network", filled: anyRow,
		integers: columns("subject_id at"),
		texts:    columns("network"),
	},
	{
		name: "revision", key: "id", filled: "number <> 1",
		integers: columns("id number nonce"),
	},
	{
		name: "changes", key: "revision", filled: anyRow,
		integers: columns("revision subject_id nonce"),
	},
}

const anyRow = "1 = 1"

func columns(names string) []string { return strings.Fields(names) }

// columns are all columns, in the order of [copiedTable.row].
func (t *copiedTable) columns() []string {
	return append(append(append([]string(nil), t.integers...), t.texts...), t.blobs...)
}

// row makes what a row is scanned into.
func (t *copiedTable) row() []any {
	var row []any
	for range t.integers {
		row = append(row, new(int64))
	}
	for range t.texts {
		row = append(row, new(string))
	}
	for range t.blobs {
		row = append(row, new([]byte))
	}
	return row
}
