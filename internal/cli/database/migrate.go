package database

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/store"
)

// migration is the command migrate.
type migration struct {
	from, to string
	output   cli.OutputFlags
}

// NewMigrateCommand makes the command migrate.
func NewMigrateCommand() *cobra.Command {
	var m migration
	cmd := &cobra.Command{
		Use:   "migrate --from DATABASE --to DATABASE",
		Short: "Carry everything to another database: from SQLite to MySQL, and back",
		Long: `Carry everything to another database: users, permissions, keys, tokens, lockouts
and the audit. Stop every Dockit that uses one of them first.

DATABASE is sqlite:PATH or mysql:DSN, which is MariaDB as well:
  sqlite:/data/dockit.sqlite
  mysql:user:password@tcp(host:3306)/database?tls=true
A DSN with a password is better not written on a command line, where others on
the machine can read it, but in a file that DOCKIT_FROM_FILE or DOCKIT_TO_FILE
names.

The database to copy to must be empty; a file of SQLite is made when it is
missing. It is written in one transaction, and compared: its rows, its export and
its audit. When something fails, it is as empty as before. In the database to copy
from, only the schema is brought up to date, as a start of the server does.`,
		Example: `  DOCKIT_TO_FILE=/run/secrets/dockit_mysql dockit migrate --from sqlite:/data/dockit.sqlite
  DOCKIT_FROM_FILE=/run/secrets/dockit_mysql dockit migrate --to sqlite:/data/dockit.sqlite`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&m.from, "from", "", "`database` to copy from; with a password rather in DOCKIT_FROM_FILE")
	cmd.Flags().StringVar(&m.to, "to", "", "empty `database` to copy to; with a password rather in DOCKIT_TO_FILE")
	cli.MarkSecret(cmd.Flags(), "from", "to")
	m.output.Register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return m.run(cmd) }
	return cmd
}

func (m *migration) run(cmd *cobra.Command) (err error) {
	from, err := migrationDatabase("from", m.from)
	if err != nil {
		return err
	}
	to, err := migrationDatabase("to", m.to)
	if err != nil {
		return err
	}
	if from == to {
		return cli.UsageError(errors.New("--from and --to name the same database: name an empty one with --to"))
	}
	p, err := m.output.Printer(cmd)
	if err != nil {
		return err
	}
	source, err := store.OpenExisting(cmd.Context(), from, zap.NewNop())
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := store.Open(cmd.Context(), to, zap.NewNop())
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	progress := p.Meter("rows copied:", 0, false)
	copied, err := store.CopyAll(cmd.Context(), source, target, progress.Set)
	progress.Finish()
	if err != nil {
		return err
	}
	if err := cli.PrintList(p, cli.ValuesOf(copied), cli.Listing[store.CopiedTable]{
		Header: []any{"table", "rows"},
		Row:    func(t store.CopiedTable) []any { return []any{t.Table, t.Rows} },
		Name:   func(t store.CopiedTable) string { return t.Table },
	}); err != nil {
		return err
	}
	if p.Format == cli.FormatTable && !p.Quiet {
		p.Line("copied, and both are equal: start Dockit on the new database, and keep the old one until it serves")
	}
	return nil
}

// migrationDatabase reads a database from a flag. No error repeats the value:
// a password may be anywhere in it.
func migrationDatabase(flag, value string) (store.Config, error) {
	if value == "" {
		return store.Config{}, cli.Usagef("--%s is missing: write sqlite:PATH or mysql:DSN, or name a file with it in %s_FILE", flag, cli.Variable(flag))
	}
	dialect, dsn, found := strings.Cut(value, ":")
	if !found || !slices.Contains([]string{"sqlite", "mysql"}, dialect) {
		return store.Config{}, cli.Usagef("--%s does not say which kind of database it names: write sqlite:PATH or mysql:DSN", flag)
	}
	if dsn == "" {
		return store.Config{}, cli.Usagef("--%s names no database behind %s: write sqlite:PATH or mysql:DSN", flag, dialect)
	}
	if dialect == "mysql" && strings.HasPrefix(dsn, "//") {
		return store.Config{}, cli.Usagef("--%s is a URL: write mysql:user:password@tcp(host:3306)/database?tls=true", flag)
	}
	return store.Config{Dialect: dialect, DSN: dsn}, nil
}
