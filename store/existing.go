package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"go.uber.org/zap"
)

// ErrNoDatabase is returned by [OpenExisting] where no Dockit has made its
// tables.
var ErrNoDatabase = errors.New("there is no database of Dockit")

// OpenExisting is [Open] for a database that a Dockit made before: it makes
// neither a file nor tables where there are none. Errors: [ErrNoDatabase] and
// those of Open.
func OpenExisting(ctx context.Context, config Config, logger *zap.Logger) (*Store, error) {
	d, err := dialectOf(config.Dialect)
	if err != nil {
		return nil, err
	}
	if err := d.find(ctx, config.DSN); err != nil {
		return nil, err
	}
	return Open(ctx, config, logger)
}

func findSQLite(ctx context.Context, dsn string) (err error) {
	path, query, err := parseSQLiteDSN(dsn)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w: %w", ErrNoDatabase, err)
	}
	db, err := sql.Open("sqlite", sqliteURI(path, query, "deferred", "query_only(1)"))
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
		return explainMySQL(err)
	case version == 0:
		return fmt.Errorf("%w: its tables are not there: name another database in the DSN", ErrNoDatabase)
	default:
		return nil
	}
}
