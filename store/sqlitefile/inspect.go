package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
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

// inspect checks that a database is one of Dockit, intact, and not newer than
// this program. Errors: [ErrForeign], [ErrDamaged], [ErrNewerSchema],
// [ErrForeignSchema].
func (d Database) inspect(ctx context.Context, db *sql.DB) (Copy, error) {
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
	known, err := newestMigration(d.Migrations)
	if err != nil {
		return c, err
	}
	if c.Schema > known {
		return c, fmt.Errorf("%w: schema version %d, this Dockit knows %d: use the newer Dockit", ErrNewerSchema, c.Schema, known)
	}
	return c, checkSchema(ctx, db, d.Migrations, c.Schema)
}

// checkIntegrity reads the whole database.
func checkIntegrity(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "PRAGMA integrity_check(3)")
	if err != nil {
		return asDamage(err)
	}
	defer rows.Close()
	var findings []string
	for rows.Next() {
		var finding string
		if err := rows.Scan(&finding); err != nil {
			return asDamage(err)
		}
		findings = append(findings, finding)
	}
	if err := rows.Err(); err != nil {
		return asDamage(err)
	}
	if len(findings) != 1 || findings[0] != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, strings.Join(findings, "; "))
	}
	return nil
}

// Schema reads the version of the schema in the file, 0 where no Dockit made its
// tables, and says which one is the newest that is known. Nothing is made or
// locked, nor is the write-ahead log read. Errors: [ErrForeign], [ErrDamaged].
func (d Database) Schema(ctx context.Context) (version, known int64, err error) {
	if known, err = newestMigration(d.Migrations); err != nil {
		return 0, 0, err
	}
	db, err := d.immutable(d.Path).connect()
	if err != nil {
		return 0, known, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var made bool
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'goose_db_version')").Scan(&made); err != nil {
		return 0, known, asDamage(err)
	}
	if !made {
		return 0, known, nil
	}
	err = db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
	return version, known, asDamage(err)
}
