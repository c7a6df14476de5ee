package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3/lock"
)

// migratingMySQL runs migrations while it has a lock in a table. MySQL undoes
// no CREATE TABLE, so nodes must not migrate side by side; and its GET_LOCK is
// known to one node of a cluster only. The lock of a node that died is free
// after the lease, and the next one finishes what it began.
func migratingMySQL(ctx context.Context, db *sql.DB, newest int64, migrate func() error) (err error) {
	if current, err := mysqlSchema(ctx, db); err != nil {
		return err
	} else if current == newest {
		return nil
	}
	locker, err := lock.NewMySQLTableLocker(
		lock.WithTableLeaseDuration(10*time.Second),
		lock.WithTableHeartbeatInterval(2*time.Second),
		lock.WithTableLockTimeout(200*time.Millisecond, 1500), // five minutes
		lock.WithTableUnlockTimeout(200*time.Millisecond, 25),
		lock.WithTableRetryPolicy(func(err error) bool { return !mysqlRights(err) }),
		lock.WithTableLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("prepare the lock for migrations: %w", err)
	}
	if err := locker.Lock(ctx, db); err != nil {
		return fmt.Errorf("wait for migrations of another node: %w", err)
	}
	defer func() {
		if uerr := locker.Unlock(ctx, db); uerr != nil {
			err = errors.Join(err, fmt.Errorf("release the lock for migrations: %w", uerr))
		}
	}()
	if err := beginVersions(ctx, db); err != nil {
		return fmt.Errorf("prepare the table of migrations: %w", err)
	}
	// Who reads a table, as a backup does, keeps it from being altered meanwhile.
	const patience, pause = 30 * time.Second, 100 * time.Millisecond
	for began := time.Now(); ; time.Sleep(pause) {
		err := migrate()
		if mysqlCode(err) != mysqlLockWait || time.Since(began) > patience || ctx.Err() != nil {
			return err
		}
	}
}

// mysqlSchema is the version of the schema, or 0 without one.
func mysqlSchema(ctx context.Context, db *sql.DB) (int64, error) {
	var version sql.NullInt64
	err := db.QueryRowContext(ctx, "SELECT MAX(version_id) FROM goose_db_version").Scan(&version)
	if err != nil && mysqlCode(err) != mysqlNoTable {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return version.Int64, nil
}

// beginVersions makes the table in which goose writes down what it migrated,
// as goose does, but so that a node that died in between does no harm.
func beginVersions(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, `
		CREATE TABLE IF NOT EXISTS goose_db_version (
			id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
			version_id BIGINT          NOT NULL,
			is_applied BOOLEAN         NOT NULL,
			tstamp     DATETIME        NULL DEFAULT CURRENT_TIMESTAMP
		) ENGINE = InnoDB`); err != nil {
		return err
	}
	var begun bool
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM goose_db_version WHERE version_id = 0)").Scan(&begun); err != nil || begun {
		return err
	}
	_, err := db.ExecContext(ctx, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, TRUE)")
	return err
}
