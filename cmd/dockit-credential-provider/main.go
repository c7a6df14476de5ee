// Command dockit-credential-provider is the image credential provider by which a
// kubelet pulls from a registry that Dockit protects, with no secret in the cluster.
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/dockit-registry/dockit/internal/credentialprovider"
	"github.com/dockit-registry/dockit/internal/httpclient"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/internal/version"
)

// Exit codes, as those of dockit.
const (
	done = iota
	failed
	wrongUsage
)

// maxLine is the longest line that is written to standard error, in bytes.
const maxLine = 4096

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run answers one request, and returns the exit code. Whatever goes wrong is one line
// in the log of the kubelet.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	say := func(err error) {
		fmt.Fprintf(stderr, "dockit-credential-provider: %s\n", printable.ClipTo(printable.Line(err.Error()), maxLine))
	}
	provider, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return done
	case err != nil:
		say(err)
		return wrongUsage
	}
	provider.Warn = say
	request, err := credentialprovider.ReadRequest(stdin)
	if err == nil {
		var response credentialprovider.Response
		if response, err = provider.Provide(ctx, request); err == nil {
			err = response.Write(stdout)
		}
	}
	if err != nil {
		say(err)
		return failed
	}
	return done
}

// parse reads the arguments. [flag.ErrHelp] is returned when all that was asked for is
// written already.
func parse(args []string, stdout io.Writer) (credentialprovider.Provider, error) {
	provider := credentialprovider.Provider{Mode: credentialprovider.Exchange, Folder: credentialprovider.DefaultFolder}
	flags := flag.NewFlagSet("dockit-credential-provider", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("registry", "", func(s string) error {
		host, err := credentialprovider.ParseRegistry(s)
		provider.Registries = append(provider.Registries, host)
		return err
	})
	flags.Func("server", "", func(s string) (err error) {
		provider.Server, err = credentialprovider.ParseServer(s)
		return err
	})
	flags.Func("mode", "", func(s string) (err error) {
		provider.Mode, err = credentialprovider.ParseMode(s)
		return err
	})
	flags.StringVar(&provider.Service, "service", "", "")
	flags.StringVar(&provider.Folder, "keep", provider.Folder, "")
	ca := flags.String("ca-file", "", "")
	showVersion := flags.Bool("version", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return provider, err
	case err != nil:
		return provider, fmt.Errorf("%w (--help lists the flags)", err)
	case *showVersion:
		build := version.Read()
		fmt.Fprintf(stdout, "dockit-credential-provider %s (commit %s, %s)\n", build.Version, build.Commit, build.Go)
		return provider, flag.ErrHelp
	case flags.NArg() > 0:
		return provider, fmt.Errorf("unknown argument %q: everything is a flag (--help lists them)", printable.Clip(flags.Arg(0)))
	case len(provider.Registries) == 0:
		return provider, errors.New("no registry: write --registry HOST for each host that tokens may be for")
	}
	if strings.EqualFold(provider.Folder, "off") {
		provider.Folder = ""
	}
	roots, err := rootsWith(*ca)
	provider.HTTP = httpclient.New(httpclient.Options{RootCAs: roots, Timeout: credentialprovider.Patience, MaxHeaders: maxHeaders})
	return provider, err
}

// maxHeaders bounds the headers of an answer, in bytes.
const maxHeaders = 64 << 10

// rootsWith are the authorities of the system and those in a file; nil: the system's.
func rootsWith(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // nil is the system's
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("--ca-file %s: it holds no certificate in PEM", path)
	}
	return roots, nil
}
