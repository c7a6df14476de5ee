// Command dockit-kubernetes has clusters and Dockit know each other: it trusts a cluster, keeps pull secrets fresh, and
// says what is missing.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/version"
	"github.com/dockit-registry/dockit/kubernetes/internal/doctor"
	"github.com/dockit-registry/dockit/kubernetes/internal/install"
	"github.com/dockit-registry/dockit/kubernetes/internal/pullsecrets"
	"github.com/dockit-registry/dockit/kubernetes/internal/trust"
)

func main() { os.Exit(cli.Execute(newCommand(), os.Args[1:])) }

func newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dockit-kubernetes",
		Short: "Pull from registries behind Dockit with no secret in the cluster",
		Long: `Pull from registries behind Dockit with the tokens of service accounts. The cluster is that
of --kubeconfig and --context, as kubectl finds it, or the one that this runs in.

Every flag has an environment variable DOCKIT_<FLAG>.`,
	}
	cmd.AddCommand(trust.NewCommand(), pullsecrets.NewCommand(), doctor.NewCommand(), install.NewCommand(), newVersionCommand())
	cli.RequireSubcommand(cmd)
	cli.Prepare(cmd)
	return cmd
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit, and the version of Go",
		Example: "  dockit-kubernetes version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			build := version.Read()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "dockit-kubernetes %s (commit %s, %s)\n", build.Version, build.Commit, build.Go)
			return err
		},
	}
}
