package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/store/sqlitefile"
)

// NewBackupCommand makes the command backup.
func NewBackupCommand() *cobra.Command {
	var f fileCommand
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy a SQLite database to a file, while a server uses it or not",
		Long: `Copy a SQLite database to a file, as it is at one moment. The server may go on
serving and writing meanwhile. The copy is one file that needs no other, and is
checked before it gets its name. It holds password hashes and private keys, so
that its owner alone can read it; without an encryption key of the server,
whoever can read it can sign tokens.

The database is that of api-server with the same flags and environment.`,
		Example: `  dockit backup /backup/dockit-$(date +%F).sqlite
  dockit backup --force --sql-dsn /data/dockit.sqlite /backup/dockit.sqlite`,
		Args: cobra.ExactArgs(1),
	}
	f.register(cmd, "replace FILE when it exists", "wrote", func(ctx context.Context, config store.Config, file string, force bool) (sqlitefile.Copy, error) {
		c, err := store.Backup(ctx, config, file, force)
		switch {
		case errors.Is(err, sqlitefile.ErrFileExists):
			err = fmt.Errorf("%w; nothing was written: name another file, or replace it with --force", err)
		case errors.Is(err, sqlitefile.ErrDamaged):
			err = fmt.Errorf("%w; nothing was written: restore an earlier backup with 'dockit restore'", err)
		}
		return c, err
	})
	return cmd
}
