package cli

import (
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// initContainer is the command that fetches what a registry must trust.
type initContainer struct {
	connectionFlags
	service string
	format  string
	mode    string
	quiet   bool
}

func newInitContainerCommand() *cobra.Command {
	i := &initContainer{}
	cmd := &cobra.Command{
		Use:   "init-container FILE",
		Short: "Fetch what a registry must trust, check it and write it to a file",
		Long: `Fetch what a registry must trust, check it and write it to a file.

Waits until Dockit answers. What it answers is checked before the file is replaced, in one
step: certificates must parse, be valid now and be the whole answer. A file that cannot be
renewed stays as it is. Give the file to the registry as
REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE, or with --format jwks as REGISTRY_AUTH_TOKEN_JWKS.`,
		Example: `  dockit init-container /etc/registry/dockit.pem --base-url https://auth.example.com
  dockit init-container /trust/dockit.pem --base-url http://dockit:4315 --timeout 5m
  dockit init-container /trust/dockit.json --format jwks --service registry.example.com`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return i.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	i.connectionFlags.register(flags, 2*time.Minute, "how long to wait for Dockit in all")
	flags.StringVar(&i.service, "service", "", "`name` of the registry, for one that has a key of its own")
	flags.StringVar(&i.format, "format", "pem", "what the registry reads: pem or jwks")
	flags.StringVar(&i.mode, "mode", "0644", "permissions of the file, in octal")
	flags.BoolVarP(&i.quiet, "quiet", "q", false, "write no messages but errors")
	return cmd
}

func (i *initContainer) run(cmd *cobra.Command, path string) error {
	format, ok := trustFormats[i.format]
	if !ok {
		return usagef("format %q: use pem or jwks", clip(i.format))
	}
	mode, err := strconv.ParseUint(i.mode, 8, 32)
	if err != nil || mode > uint64(fs.ModePerm) {
		return usagef("mode %q: use an octal number such as 0644", clip(i.mode))
	}
	roots, err := i.roots(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	source, err := newTrustSource(i.baseURL, format, i.service, roots, i.insecure)
	if err != nil {
		return UsageError(err)
	}
	waiting := func(err error) {
		if !i.quiet {
			fmt.Fprintf(cmd.ErrOrStderr(), "waiting for %s: %v\n", source.url.Redacted(), err)
		}
	}
	content, summary, err := source.await(cmd.Context(), i.timeout, waiting)
	if err != nil {
		return fmt.Errorf("%w: %s is left as it was", err, path)
	}
	changed, err := replaceFile(path, content, fs.FileMode(mode))
	if err != nil {
		return err
	}
	if i.quiet {
		return nil
	}
	verb := "wrote"
	if !changed {
		verb = "up to date:"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", verb, path)
	for _, line := range summary {
		fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", line)
	}
	return nil
}

// trustFormat is a form in which a registry takes what it must trust.
type trustFormat struct {
	path string
	// check says in lines what the content holds, or why no registry should
	// get it.
	check func(content []byte, now time.Time) ([]string, error)
}

var trustFormats = map[string]trustFormat{
	"pem":  {"/v2/certs/pem", checkBundle},
	"jwks": {"/v2/certs/jwks", checkKeySet},
}

// permanentStatus are answers that waiting does not change.
var permanentStatus = map[int]bool{
	http.StatusBadRequest:       true,
	http.StatusUnauthorized:     true,
	http.StatusForbidden:        true,
	http.StatusMethodNotAllowed: true,
}
