package dockit

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/cli"
	"github.com/dockit-registry/dockit/pki"
)

const apiServerLong = `Serve Dockit from flags and environment alone: the registry tokens, the
certificates that registries trust, the admin API and the health checks.

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

// newAPIServerCommand makes the command api-server.
func newAPIServerCommand() *cobra.Command {
	o := new(apiServerOptions)
	cmd := &cobra.Command{
		Use:   "api-server",
		Short: "Serve from flags and environment alone",
		Long:  apiServerLong,
		Example: `  dockit api-server
  dockit api-server --service registry.example.com --domain registry.example.com --upstream registry:5000`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.listen, "listen", defaultListen, "address to listen on, as `host:port`; with --domain, instead of port 443")
	flags.StringArrayVar(&o.domains, "domain", nil, "`name` to serve automatic HTTPS for (repeatable)")
	flags.StringVar(&o.upstream, "upstream", "", "registry to proxy whatever is not Dockit's to, as `host:port` or URL")
	flags.StringArrayVar(&o.services, "service", []string{DefaultService}, "`name` of a registry, its REGISTRY_AUTH_TOKEN_SERVICE (repeatable)")
	flags.StringVar(&o.issuer, "issuer", DefaultIssuer, "`name` in every token, REGISTRY_AUTH_TOKEN_ISSUER at the registries")
	flags.DurationVar(&o.tokenTTL, "token-ttl", DefaultTokenTTL, "how long a token is valid, at least 1m")
	flags.StringVar(&o.sqlDialect, "sql-dialect", DefaultDialect, "kind of database: sqlite or mysql")
	flags.StringVar(&o.sqlDSN, "sql-dsn", defaultDSN, "database: for sqlite a path or file: URI")
	flags.BoolVar(&o.pkiGenerate, "pki-generate", true, "make and keep the keys that sign tokens")
	flags.StringVar(&o.pkiFile, "pki-file", "", "PEM `file` with a private key and its certificates to sign with, with --pki-generate=false")
	flags.StringVar(&o.pkiCertificateFile, "pki-certificate-file", "", "PEM `file` with the certificates of the key in --pki-file, when they do not stand in it")
	flags.StringVar(&o.pkiKeyType, "pki-key-type", "ec", "type of the keys that are made: ec, rsa or ed25519")
	flags.IntVar(&o.pkiECKeySize, "pki-ec-key-size", 256, "size of EC keys in bits: 256, 384 or 521")
	flags.IntVar(&o.pkiRSAKeySize, "pki-rsa-key-size", 2048, "size of RSA keys in bits: 2048, 3072 or 4096")
	flags.DurationVar(&o.pkiLeafLife, "pki-leaf-life", pki.DefaultLeafLife, "how long a signing certificate that is made is valid; it is replaced at two thirds of that")
	flags.StringVar(&o.pkiEncryptionKey, "pki-encryption-key", "", "`secret` of at least 32 bytes that seals private keys in the database; rather in DOCKIT_PKI_ENCRYPTION_KEY_FILE")
	flags.StringVar(&o.rootUser, "root-user", "", "`name` of an admin to create when it is missing")
	flags.StringVar(&o.rootPassword, "root-password", "", "`password` that the root user is created with; default a random one, printed once")
	flags.StringVar(&o.metricsListen, "metrics-listen", "", "address to serve /metrics on, as `host:port`; default off")
	flags.StringVar(&o.logLevel, "log-level", "info", "least level to log: debug, info, warn or error")
	flags.StringVar(&o.logFormat, "log-format", "", "console or json; default console on a terminal, else json")

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cli.BindEnvironment(cmd, "root-password", "sql-dsn", "pki-encryption-key"); err != nil {
			return err
		}
		o.given = flags.Changed
		if err := o.check(); err != nil {
			return cli.UsageError(err)
		}
		return serveAPI(o)
	}
	return cmd
}

// serveAPI serves until the process gets a signal to stop, and does not
// return unless it cannot start.
func serveAPI(o *apiServerOptions) error {
	caddy.TrapSignals() // which drains what is in flight before it exits
	_, logger, _ := caddy.BufferedLog()
	defer caddy.UnbufferDefaultLogger(logger)

	config, err := o.config()
	if err != nil {
		return err
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
			case mainServer:
				logger.Info("serving on "+listenerURL(server, address), zap.Stringer("address", address))
			case metricsServer:
				logger.Info("serving metrics on "+listenerURL(server, address)+metricsPath, zap.Stringer("address", address))
			}
		}
	}
	return nil
}

// listenerURL is how somebody on this machine reaches a listener.
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
