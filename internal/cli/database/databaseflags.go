package database

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/store"
)

// DefaultDSN is the SQLite database of commands that are given no other.
const DefaultDSN = "dockit.sqlite"

// flags name a database as those of api-server do.
type flags struct {
	dialect, dsn string
}

func (d *flags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&d.dialect, "sql-dialect", "sqlite", "kind of database: sqlite (a MySQL server has backup tools of its own)")
	flags.StringVar(&d.dsn, "sql-dsn", DefaultDSN, "database: a path or file: URI")
	cli.MarkSecret(flags, "sql-dsn")
}

// config is the database that the flags name. Errors are of wrong usage.
func (d *flags) config() (store.Config, error) {
	switch {
	case d.dialect == "mysql":
		return store.Config{}, cli.Usagef("--sql-dialect mysql: only sqlite databases are copied as files: use the tools of the MySQL server, such as mariadb-dump")
	case d.dialect != "sqlite":
		return store.Config{}, cli.Usagef("--sql-dialect %q: use sqlite", printable.Clip(d.dialect))
	case d.dsn == "":
		return store.Config{}, cli.UsageError(errors.New("--sql-dsn is empty: name the database to use"))
	}
	return store.Config{Dialect: d.dialect, DSN: d.dsn}, nil
}
