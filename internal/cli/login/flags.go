// Package login holds the commands that log a CI job or a workload in with the token
// that its platform signed, and out again.
package login

import (
	"cmp"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/dockerconfig"
	"github.com/dockit-registry/dockit/internal/httpclient"
)

// maxHeaders bounds the headers of an answer, in bytes.
const maxHeaders = 64 << 10

// registryFlags say which registry, and what to trust.
type registryFlags struct {
	connection cli.ConnectionFlags
	url        string
}

func (f *registryFlags) register(cmd *cobra.Command) {
	f.connection.RegisterTrust(cmd.Flags(), 10*time.Second, "how long to wait for each answer")
	cmd.Flags().StringVar(&f.url, "registry-url", "", "the `registry` when none is named (default the host of DOCKIT_BASE_URL)")
	cmd.ValidArgsFunction = completeHosts
}

// target is the registry that is meant.
func (f *registryFlags) target(args []string) (*target, error) {
	named := f.url
	if len(args) > 0 {
		named = args[0]
	}
	base := os.Getenv(cli.Variable("base-url"))
	if named = cmp.Or(named, base); named == "" {
		return nil, cli.Usagef("which registry? Write it behind the command, such as registry.example.com, or set DOCKIT_REGISTRY_URL")
	}
	return parseTarget(named)
}

// clients are for the registry with its server, and for everybody else, whose
// certificates are verified in any case.
func (f *registryFlags) clients(cmd *cobra.Command) (server, others *http.Client, err error) {
	roots, err := f.connection.Roots(cmd.ErrOrStderr())
	if err != nil {
		return nil, nil, err
	}
	beside, err := f.connection.RootsBeside()
	if err != nil {
		return nil, nil, err
	}
	options := httpclient.Options{RootCAs: beside, Timeout: f.connection.Timeout, MaxHeaders: maxHeaders}
	others = httpclient.New(options)
	options.RootCAs, options.InsecureSkipVerify = roots, f.connection.Insecure
	return httpclient.New(options), others, nil
}

// completeHosts completes the registries that docker has logins for.
func completeHosts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	hosts, err := dockerconfig.Hosts()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return hosts, cobra.ShellCompDirectiveNoFileComp
}
