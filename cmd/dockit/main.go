// Command dockit is authentication for OCI registries in one binary: it
// embeds Caddy with the modules that it needs.
package main

import (
	"os"

	// The modules that a Caddyfile of a Dockit in front of a registry needs;
	// more of them are in a Caddy that is built with Dockit.
	_ "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/requestbody"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddypki"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls/standardstek"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
	_ "github.com/caddyserver/caddy/v2/modules/metrics"

	"github.com/dockit-registry/dockit"
	"github.com/dockit-registry/dockit/cli"
)

func main() { os.Exit(run(os.Args[1:])) }

// run runs the command and returns the exit code: 0 done, 1 failed or denied,
// 2 wrong usage.
func run(args []string) int {
	cmd := dockit.NewCommand()
	cmd.AddCommand(newRunCommand())
	return cli.Execute(cmd, args)
}
