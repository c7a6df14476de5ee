// Command dockit-kubernetes has clusters and Dockit know each other: it trusts a cluster, keeps pull secrets fresh, and
// says what is missing.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/cli"
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
	cmd.AddCommand(trust.NewCommand(), pullsecrets.NewCommand(), doctor.NewCommand(), install.NewCommand())
	cli.RequireSubcommand(cmd)
	cli.Prepare(cmd)
	return cmd
}
