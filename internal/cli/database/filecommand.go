package database

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/store/sqlitefile"
)

// fileCommand is a command that copies a SQLite database from or to a file, and
// reports what it wrote.
type fileCommand struct {
	database flags
	output   cli.OutputFlags
	force    bool
}

// copyFunc copies between the database of a configuration and a file.
type copyFunc func(ctx context.Context, config store.Config, file string, force bool) (sqlitefile.Copy, error)

// Register adds the flags, with the usage of --force, and what the command does.
func (f *fileCommand) register(cmd *cobra.Command, force, done string, run copyFunc) {
	f.database.register(cmd)
	f.output.Register(cmd.Flags())
	cmd.Flags().BoolVar(&f.force, "force", false, force)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		config, err := f.database.config()
		if err != nil {
			return err
		}
		p, err := f.output.Printer(cmd)
		if err != nil {
			return err
		}
		c, err := run(cmd.Context(), config, args[0], f.force)
		if err != nil {
			return err
		}
		return p.Done(c, c.File, fmt.Sprintf("%s %s: %d bytes, %d subjects, revision %d, schema version %d",
			done, c.File, c.Bytes, c.Subjects, c.Revision, c.Schema))
	}
}
