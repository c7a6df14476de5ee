package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/version"
)

func newVersionCommand() *cobra.Command {
	var output OutputFlags
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit, and the versions of Go and Caddy",
		Example: "  dockit version\n  dockit version -o json",
		Args:    cobra.NoArgs,
	}
	output.Register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p, err := output.Printer(cmd)
		if err != nil {
			return err
		}
		return printVersion(p)
	}
	return cmd
}

func printVersion(p *Printer) error {
	b := version.Read()
	return p.One(b, b.Version, func() {
		p.Line(fmt.Sprintf("dockit %s", b.Version))
		p.Line(fmt.Sprintf("commit %s", b.Commit))
		p.Line(fmt.Sprintf("go     %s", b.Go))
		p.Line(fmt.Sprintf("caddy  %s", b.Caddy))
	})
}
