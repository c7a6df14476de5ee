// Package cli holds the commands of Dockit that need no server of their own:
// managing subjects and permissions over the admin API, fetching what a
// Registry must trust, making keys, copying a database, and carrying everything
// to another one. The same commands stand in the standalone binary and, below
// `dockit`, in a Caddy built with Dockit.
//
// Every flag has an environment variable, see [BindEnvironment]. Exit codes
// are 0 for done, 1 for failed or denied and 2 for wrong usage, see
// [ExitCode].
package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/printable"
)

// NewCommand makes the command dockit with the given commands below it, and those
// of this package.
func NewCommand(commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dockit",
		Short: "Authentication for OCI registries",
		Long: `Dockit is authentication for OCI registries: it issues the tokens that
registries ask for, and manages who may pull, push and delete what.

Every flag has an environment variable DOCKIT_<FLAG>, so that --base-url is also
DOCKIT_BASE_URL; secrets can be read from a file named by DOCKIT_<FLAG>_FILE. A flag
wins over the environment.

Exit codes: 0 done, 1 failed or denied, 2 wrong usage.`,
	}
	cmd.AddCommand(commands...)
	cmd.AddCommand(newHealthCommand(), newVersionCommand(), newCompletionCommand())
	cmd.CompletionOptions.DisableDefaultCmd = true // it would succeed without saying for which shell
	RequireSubcommand(cmd)
	acceptVersionFlag(cmd)
	Prepare(cmd)
	return cmd
}

// meantBy holds, for a command, what people call its subcommands elsewhere.
var meantBy = map[string]map[string]string{
	"dockit": {
		"start": "api-server", "server": "api-server", "serve": "api-server", "doctor": "rbac pki doctor", "import": "rbac import",
		"audit": "rbac audit", "token": "rbac token", "user": "rbac add", "users": "rbac list users", "pki": "rbac pki",
	},
	"rbac": {
		"create": "add", "new": "add", "delete": "remove", "rm": "remove", "ls": "list", "users": "list users", "robots": "list robots", "groups": "list groups",
		"user": "show", "passwd": "change-password", "tokens": "token list", "allow": "grant", "doctor": "pki doctor",
	},
	"issuer":  {"create": "add", "new": "add", "trust": "add", "ls": "list", "delete": "remove", "rm": "remove", "test": "try"},
	"binding": {"create": "add", "new": "add", "ls": "list", "delete": "remove", "rm": "remove"},
	"token":   {"add": "create", "new": "create", "ls": "list", "delete": "revoke", "remove": "revoke", "renew": "rotate"},
	"pki":     {"ls": "list", "renew": "rotate", "check": "doctor"},
}

// RequireSubcommand makes a command without work of its own fail when it is
// called without a subcommand, or with one that does not exist: Cobra's
// parents would print help and succeed.
func RequireSubcommand(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return Usagef("a command is missing: one of those that '%s --help' lists", cmd.CommandPath())
		}
		if command := meantBy[cmd.Name()][args[0]]; command != "" {
			return Usagef("unknown command %q for '%s': did you mean '%s %s'?", printable.Clip(args[0]), cmd.CommandPath(), cmd.CommandPath(), command)
		}
		hint := ""
		if cmd.SuggestionsMinimumDistance <= 0 {
			cmd.SuggestionsMinimumDistance = 2
		}
		if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
			hint = fmt.Sprintf(": did you mean %q?", similar[0])
		}
		return Usagef("unknown command %q for '%s'%s", printable.Clip(args[0]), cmd.CommandPath(), hint)
	}
}

// acceptVersionFlag lets people ask for the version as other programs have it.
func acceptVersionFlag(cmd *cobra.Command) {
	var version bool
	cmd.Flags().BoolVarP(&version, "version", "v", false, "print the version, as the command version does")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if version {
			return printVersion(&Printer{Out: cmd.OutOrStdout(), Format: FormatTable})
		}
		return run(cmd, args)
	}
}

// Prepare makes a command and all below it report wrong usage as such and
// read their flags from the environment.
func Prepare(cmd *cobra.Command) {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return UsageError(err) })
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, values []string) error {
			if err := args(cmd, values); err != nil {
				return Usagef("%w: write '%s'", err, cmd.UseLine())
			}
			return nil
		}
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := BindEnvironment(cmd); err != nil {
				return err
			}
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		Prepare(sub)
	}
}
