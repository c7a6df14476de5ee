package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/store/sqlitefile"
)

// Migrate brings the schema up to date. Several processes may start on one
// database at once.
func (d *Dialect) Migrate(ctx context.Context, db *sql.DB, logger *zap.Logger) error {
	provider, err := goose.NewProvider(d.Goose, db, d.Migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	return d.migrating(ctx, db, newest(provider), func() error { return migrateRacing(ctx, provider, logger) })
}

// migrateRacing looks again when it lost the race for a migration to another
// process, and goes on from there.
func migrateRacing(ctx context.Context, provider *goose.Provider, logger *zap.Logger) error {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		err := migrateOnce(ctx, provider, logger)
		if err == nil || attempt == attempts || ctx.Err() != nil {
			return err
		}
		if current, verr := provider.GetDBVersion(ctx); verr == nil && current > newest(provider) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(attempt) * 50 * time.Millisecond):
		}
	}
}

func migrateOnce(ctx context.Context, provider *goose.Provider, logger *zap.Logger) error {
	current, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if target := newest(provider); current > target {
		return fmt.Errorf("%w: schema version %d, this Dockit knows %d: start the newer Dockit, or restore a backup", sqlitefile.ErrNewerSchema, current, target)
	}
	results, err := provider.Up(ctx)
	for _, r := range results {
		logger.Info("migrated database", zap.Int64("version", r.Source.Version), zap.Duration("took", r.Duration))
	}
	if err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	return nil
}

func newest(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}

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

// ErrNoDatabase is returned where no Dockit has made its
// tables.
var ErrNoDatabase = errors.New("there is no database of Dockit")

func findSQLite(ctx context.Context, dsn string) (err error) {
	database, err := ParseSQLiteDSN(dsn)
	if err != nil {
		return err
	}
	path := database.Path
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w: %w", ErrNoDatabase, err)
	}
	db, err := sql.Open("sqlite", database.URI("deferred", "query_only(1)"))
	if err != nil {
		return fmt.Errorf("open SQLite database %q: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var made bool
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'goose_db_version')").Scan(&made); err != nil {
		return fmt.Errorf("open SQLite database %q: %w: check that it is a SQLite database, or name another file", path, err)
	}
	if !made {
		return fmt.Errorf("%w in %q: name another file", ErrNoDatabase, path)
	}
	return nil
}

func findMySQL(ctx context.Context, dsn string) (err error) {
	writer, reader, err := openMySQL(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writer.Close(), reader.Close()) }()
	version, err := mysqlSchema(ctx, reader)
	switch {
	case err != nil:
		return WithHint(err, mysqlHint(err))
	case version == 0:
		return fmt.Errorf("%w: its tables are not there: name another database in the DSN", ErrNoDatabase)
	default:
		return nil
	}
}
