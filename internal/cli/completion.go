package cli

import (
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/printable"
)

// shells write the script that makes a shell complete a command.
var shells = map[string]func(root *cobra.Command, w io.Writer) error{
	"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"zsh":        func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
	"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	"powershell": func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) },
}

func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Write the script that makes a shell complete commands, subjects and permissions",
		Long: `Write the script that makes a shell complete commands and flags. With the credentials of an
admin in the environment, or stored by docker login, users, robots, groups and permissions
are completed as well: they are asked of the server.`,
		Example: `  source <(dockit completion bash)
  dockit completion zsh > "${fpath[1]}/_dockit"
  dockit completion fish > ~/.config/fish/completions/dockit.fish`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: slices.Sorted(maps.Keys(shells)),
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := shells[args[0]]
			if !ok {
				return Usagef("shell %q: use bash, zsh, fish or powershell", printable.Clip(args[0]))
			}
			return write(cmd.Root(), cmd.OutOrStdout())
		},
	}
}
