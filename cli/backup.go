package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/store"
)

// fileCommand is a command that writes a file from another, and tells what it
// wrote.
type fileCommand struct {
	database databaseFlags
	output   outputFlags
	force    bool
}

func (f *fileCommand) register(cmd *cobra.Command, force string) {
	f.database.register(cmd)
	f.output.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.force, "force", false, force)
}

func newBackupCommand() *cobra.Command {
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
	f.register(cmd, "replace FILE when it exists")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		config, err := f.database.config(cmd)
		if err != nil {
			return err
		}
		p, err := f.output.printer(cmd)
		if err != nil {
			return err
		}
		c, err := store.Backup(cmd.Context(), config, args[0], f.force)
		switch {
		case errors.Is(err, store.ErrFileExists):
			return fmt.Errorf("%w; nothing was written: name another file, or replace it with --force", err)
		case errors.Is(err, store.ErrDamaged):
			return fmt.Errorf("%w; nothing was written: restore an earlier backup with 'dockit restore'", err)
		case err != nil:
			return err
		}
		return p.done(c, c.File, "wrote "+copyText(c))
	}
	return cmd
}

func copyText(c store.Copy) string {
	return fmt.Sprintf("%s: %d bytes, %d subjects, revision %d, schema version %d", c.File, c.Bytes, c.Subjects, c.Revision, c.Schema)
}
