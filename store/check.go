package store

import (
	"context"

	"github.com/dockit-registry/dockit/store/internal/dialect"
)

// Check says what is wrong with a configuration, as far as that can be told
// without a trace: nothing is made, migrated or locked, no connection to a MySQL
// server is opened, and of a SQLite database only its schema is read. A file
// that does not exist is right where [Open] can make it. Errors:
// [errUnsupportedDialect], [sqlitefile.ErrForeign], [sqlitefile.ErrDamaged],
// [errNewerSchema].
func Check(ctx context.Context, config Config) error {
	d, err := dialect.Of(config.Dialect)
	if err != nil {
		return err
	}
	replicating, err := newLitestream(config)
	if err != nil {
		return err
	}
	replicating.close()
	return d.Check(ctx, config.DSN)
}
