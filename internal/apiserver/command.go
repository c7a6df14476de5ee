// Package apiserver is the command api-server: it turns flags and environment
// into a configuration of Caddy, and serves it.
package apiserver

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/memorylimit"
)

const long = `Serve Dockit from flags and environment alone: the registry tokens, the
certificates that registries trust, the admin API, the page for people at /dockit/
and the health checks.

With --domain, Dockit gets certificates by itself and serves HTTPS on port 443;
local names such as localhost get one from an authority of this machine. With
--upstream, everything that is not Dockit's goes to that registry, so that one
process serves TLS, tokens and the registry on one host.

Every flag can be set by an environment variable: DOCKIT_LISTEN for --listen,
DOCKIT_SERVICE for --service (several separated by commas), and so on. A flag
wins. DOCKIT_ROOT_PASSWORD_FILE, DOCKIT_SQL_DSN_FILE and
DOCKIT_PKI_ENCRYPTION_KEY_FILE name files to read the password of the root
user, the database and the encryption key from.

Without an admin in the database and without --root-user, the first start
creates the user admin with a random password and prints it once.`

// NewCommand makes the command api-server. The function makes the configuration of
// the app dockit of the flags, which are checked before.
func NewCommand(appOf func(*Options) (any, error)) *cobra.Command {
	o := new(Options)
	cmd := &cobra.Command{
		Use:   "api-server",
		Short: "Serve from flags and environment alone",
		Long:  long,
		Example: `  dockit api-server
  dockit api-server --service registry.example.com --domain registry.example.com --upstream registry:5000`,
		Args: func(cmd *cobra.Command, args []string) error {
			return cli.UsageError(cobra.NoArgs(cmd, args))
		},
	}
	o.Register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cli.BindEnvironment(cmd); err != nil {
			return err
		}
		if err := o.Check(); err != nil {
			return cli.UsageError(err)
		}
		return serve(o, appOf)
	}
	return cmd
}

// serve serves until the process gets a signal to stop, and does not return unless
// it cannot start.
func serve(o *Options, appOf func(*Options) (any, error)) error {
	caddy.TrapSignals() // which drains what is in flight before it exits
	_, logger, _ := caddy.BufferedLog()
	defer caddy.UnbufferDefaultLogger(logger)
	memorylimit.Set(caddy.Log().Named("dockit"))

	app, err := appOf(o)
	if err != nil {
		return err
	}
	config, err := o.Config(app)
	if err != nil {
		return err
	}
	if err := CheckFree(config); err != nil {
		return err
	}
	if len(o.Domains) > 0 {
		if err := checkCertificateFolder(caddy.Log().Named("dockit")); err != nil {
			return err
		}
	}
	if err := caddy.Run(config); err != nil {
		return err
	}
	if err := announce(); err != nil {
		return err
	}
	select {}
}

// announce logs where the servers listen, one line each. That may differ from
// what was asked for: port 0 is any port.
func announce() error {
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		return err
	}
	logger := caddy.Log().Named("dockit")
	for name, server := range app.(*caddyhttp.App).Servers {
		for _, listener := range server.Listeners() {
			address := listener.Addr()
			switch name {
			case MainServer:
				logger.Info("serving on "+listenerURL(server, address), append(socketMode(address), zap.Stringer("address", address))...)
			case metricsServer:
				logger.Info("serving metrics on "+listenerURL(server, address)+metricsPath, zap.Stringer("address", address))
			}
		}
	}
	return nil
}

// socketMode says who may connect to a Unix socket.
func socketMode(address net.Addr) []zap.Field {
	info, err := os.Stat(address.String())
	if address.Network() != "unix" || err != nil {
		return nil
	}
	fields := []zap.Field{zap.String("mode", fmt.Sprintf("%04o", info.Mode().Perm()))}
	if info.Mode().Perm()&0o077 == 0 {
		fields = append(fields, zap.String("hint", "nobody but this user can connect: write |0660 behind the path to let its group"))
	}
	return fields
}

// listenerURL is how a client on this machine reaches a listener.
func listenerURL(server *caddyhttp.Server, address net.Addr) string {
	scheme := "http"
	if len(server.TLSConnPolicies) > 0 {
		scheme = "https"
	}
	parsed, err := netip.ParseAddrPort(address.String())
	switch {
	case err != nil: // a Unix socket
		return address.String()
	case parsed.Addr().IsUnspecified():
		return fmt.Sprintf("%s://localhost:%d", scheme, parsed.Port())
	default:
		return scheme + "://" + parsed.String()
	}
}
