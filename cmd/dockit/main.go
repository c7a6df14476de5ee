// Command dockit is authentication for OCI registries in one binary: it
// embeds Caddy with the modules that it needs.
package main

import (
	"os"

	"github.com/spf13/cobra"

	// What people have in a Caddyfile around a registry; more of it is in a Caddy
	// that is built with Dockit, see docs/caddy.md. file_server is not among it:
	// with it come templates, Markdown and the colours of 250 languages, a tenth
	// of the binary, which each command would set up as it starts.
	_ "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyevents"
	_ "github.com/caddyserver/caddy/v2/modules/caddyevents/eventsconfig"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/brotli"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/gzip"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/zstd"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/logging"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/map"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/proxyprotocol"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/requestbody"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy/forwardauth"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/timeouts"
	_ "github.com/caddyserver/caddy/v2/modules/caddypki"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls/standardstek"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
	_ "github.com/caddyserver/caddy/v2/modules/metrics"

	"github.com/dockit-registry/dockit"
	"github.com/dockit-registry/dockit/internal/cli"
)

func main() { os.Exit(run(os.Args[1:])) }

// run runs the command and returns the exit code: 0 done, 1 failed or denied,
// 2 wrong usage.
func run(args []string) int {
	return cli.Execute(newCommand(), args)
}

// newCommand makes the command dockit with everything below it.
func newCommand() *cobra.Command {
	cmd := dockit.NewCommand()
	cmd.AddCommand(newRunCommand(), newPackageCommand())
	return cmd
}
