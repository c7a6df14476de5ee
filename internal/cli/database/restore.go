package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/store/sqlitefile"
)

// NewRestoreCommand makes the command restore.
func NewRestoreCommand() *cobra.Command {
	var f fileCommand
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of a SQLite database",
		Long: `Put a file that 'dockit backup' wrote in the place of a SQLite database, in one
step. Stop the server first: a database that is in use is not replaced. FILE is
checked, and stays as it is. With --force a database that exists is replaced,
together with what SQLite and Litestream keep beside it.

Everything is as it was when the backup was made: passwords and permissions that
were changed since, tokens that were revoked, and signing keys. A server with an
encryption key needs the one of that time; when there was none, see
--pki-seal-existing of api-server.

The database is that of api-server with the same flags and environment.`,
		Example: `  dockit restore /backup/dockit-2026-01-31.sqlite
  dockit restore --force --sql-dsn /data/dockit.sqlite /backup/dockit.sqlite`,
		Args: cobra.ExactArgs(1),
	}
	f.register(cmd, "replace the database when it exists", "restored", func(ctx context.Context, config store.Config, file string, force bool) (sqlitefile.Copy, error) {
		c, err := store.Restore(ctx, config, file, force)
		switch {
		case errors.Is(err, sqlitefile.ErrFileExists):
			err = fmt.Errorf("%w; nothing was changed: name another database with --sql-dsn, or replace it with --force", err)
		case errors.Is(err, sqlitefile.ErrInUse):
			err = fmt.Errorf("%w; nothing was changed", err)
		case errors.Is(err, sqlitefile.ErrDamaged), errors.Is(err, sqlitefile.ErrForeign):
			err = fmt.Errorf("%w; nothing was changed: name another backup", err)
		}
		return c, err
	})
	return cmd
}
