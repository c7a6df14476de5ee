package dockit

import (
	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/dockit-registry/dockit/internal/apiserver"
	"github.com/dockit-registry/dockit/internal/cli"
	databasecli "github.com/dockit-registry/dockit/internal/cli/database"
	"github.com/dockit-registry/dockit/internal/cli/login"
	"github.com/dockit-registry/dockit/internal/cli/rbac"
	"github.com/dockit-registry/dockit/internal/cli/trust"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "dockit",
		Short: "Serve and manage Dockit, authentication for OCI registries",
		CobraFunc: func(cmd *cobra.Command) {
			dockit := NewCommand()
			cmd.Use, cmd.Short, cmd.Long = dockit.Use, dockit.Short, dockit.Long
			cmd.Args, cmd.RunE = dockit.Args, dockit.RunE
			for _, sub := range dockit.Commands() {
				dockit.RemoveCommand(sub)
				cmd.AddCommand(sub)
			}
			exitAsDockit(cmd)
		},
	})
}

// NewCommand makes the command dockit with everything below it, as the
// standalone binary has it and `caddy dockit`. Errors are of package cli:
// [cli.ExitCode] returns the exit code.
func NewCommand() *cobra.Command {
	cmd := cli.NewCommand(
		rbac.NewCommand(), trust.NewInitContainerCommand(), trust.NewPKIGenerateCommand(),
		login.NewLoginCommand(), login.NewLogoutCommand(),
		databasecli.NewBackupCommand(), databasecli.NewRestoreCommand(), databasecli.NewMigrateCommand(),
	)
	cmd.AddCommand(apiserver.NewCommand(appOf))
	return cmd
}

// exitAsDockit makes Caddy's main exit with the codes of package cli: by
// itself it exits with 1 on every error of a command.
func exitAsDockit(cmd *cobra.Command) {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exit(cmd, cli.UsageError(err))
	})
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, values []string) error {
			if err := args(cmd, values); err != nil {
				return exit(cmd, cli.UsageError(err))
			}
			return nil
		}
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, values []string) error {
			if err := run(cmd, values); err != nil {
				return exit(cmd, err)
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		exitAsDockit(sub)
	}
}

// exit prints the error and returns one that makes Caddy's main exit with the
// right code.
func exit(cmd *cobra.Command, err error) error {
	cli.PrintError(cmd.ErrOrStderr(), cmd, err)
	code := cli.ExitCode(err)
	if code <= 1 {
		return err
	}
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(cmd, nil)
}
