package cli_test

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/cli/clitest"
	"github.com/dockit-registry/dockit/internal/cli/database"
	"github.com/dockit-registry/dockit/internal/cli/login"
	"github.com/dockit-registry/dockit/internal/cli/rbac"
	"github.com/dockit-registry/dockit/internal/cli/trust"
)

// everyCommand is the whole of the command line but for the servers.
func everyCommand() *cobra.Command {
	return cli.NewCommand(
		rbac.NewCommand(), trust.NewInitContainerCommand(), trust.NewPKIGenerateCommand(),
		login.NewLoginCommand(), login.NewLogoutCommand(),
		database.NewBackupCommand(), database.NewRestoreCommand(), database.NewMigrateCommand(),
	)
}

func TestEveryCommandSaysWhatItIs(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		assert.NotEmpty(t, cmd.Short, cmd.CommandPath())
		assert.NotNil(t, cmd.Args, "%s takes any argument", cmd.CommandPath())
		assert.NotNil(t, cmd.RunE, "%s succeeds without doing anything", cmd.CommandPath())
		if !cmd.HasSubCommands() {
			assert.NotEmpty(t, cmd.Example, "%s shows no example", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(everyCommand())
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"nothing"},
		{"rbac"},
		{"rbac", "nothing"},
		{"rbac", "nothing", "--colour"},
		{"--colour"},
		{"rbac", "list", "users", "--timeout", "soon"},
		{"version", "now"},
		{"init-container"},
	} {
		code, stdout, stderr := clitest.Run(cli.Execute, everyCommand(), args...)
		assert.Equal(t, 2, code, "%v", args)
		assert.Empty(t, stdout, "%v", args)
		assert.Equal(t, 1, bytes.Count([]byte(stderr), []byte("Error:")), "%v: %s", args, stderr)
		assert.Contains(t, stderr, "--help'.", "%v", args)
	}
}

func TestVersion(t *testing.T) {
	code, stdout, stderr := clitest.Run(cli.Execute, everyCommand(), "version", "-o", "json")
	assert.Equal(t, 0, code)
	assert.Empty(t, stderr)
	for _, field := range []string{`"version"`, `"commit"`, `"go": "go1.`, `"caddy"`} {
		assert.Contains(t, stdout, field)
	}
}
