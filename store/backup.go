package store

import (
	"context"
	"fmt"

	"github.com/dockit-registry/dockit/store/internal/dialect"
	"github.com/dockit-registry/dockit/store/sqlitefile"
)

// Backup is [sqlitefile.Database.Backup] for the database of a configuration,
// which a server may use meanwhile. Errors: those, and [errUnsupportedDialect].
func Backup(ctx context.Context, config Config, file string, force bool) (sqlitefile.Copy, error) {
	database, err := fileOf(config)
	if err != nil {
		return sqlitefile.Copy{}, err
	}
	return database.Backup(ctx, file, force)
}

// Restore is [sqlitefile.Database.Restore] for the database of a configuration.
// Errors: those, and [errUnsupportedDialect].
func Restore(ctx context.Context, config Config, file string, force bool) (sqlitefile.Copy, error) {
	database, err := fileOf(config)
	if err != nil {
		return sqlitefile.Copy{}, err
	}
	return database.Restore(ctx, file, force)
}

// fileOf is the file that the DSN of a configuration names.
func fileOf(config Config) (sqlitefile.Database, error) {
	if config.Dialect != dialect.SQLite.Name {
		return sqlitefile.Database{}, fmt.Errorf("%w %q: files are copied of sqlite databases only; a MySQL server has tools of its own, such as mariadb-dump", errUnsupportedDialect, config.Dialect)
	}
	return dialect.ParseSQLiteDSN(config.DSN)
}
