package dockit

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/cli"
	databasecli "github.com/dockit-registry/dockit/internal/cli/database"
	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
)

// Defaults of api-server.
const (
	defaultListen = ":4315"
	defaultDSN    = databasecli.DefaultDSN
)

// apiServerOptions are the flags of api-server.
type apiServerOptions struct {
	listen             string
	domains            []string
	upstream           string
	services           []string
	corsOrigins        []string
	trustedProxies     []string
	issuer             string
	tokenTTL           time.Duration
	sqlDialect         string
	sqlDSN             string
	litestreamSocket   string
	pkiGenerate        bool
	pkiFile            string
	pkiCertificateFile string
	pkiKeyType         string
	pkiECKeySize       int
	pkiRSAKeySize      int
	pkiLeafLife        time.Duration
	pkiEncryptionKey   string
	pkiSealExisting    bool
	rootUser           string
	rootPassword       string
	refreshTokens      bool
	refreshTokenLife   time.Duration
	refreshTokenIdle   time.Duration
	accessTokenLife    time.Duration
	robotTokens        int
	refusedPasswords   string
	serveStale         time.Duration
	auditKeep          time.Duration
	maxPermissions     int
	maxStateSize       string
	metricsListen      string
	logLevel           string
	logFormat          string

	// given reports whether a flag was set, as against left at its default.
	given func(flag string) bool
}

// register adds the flags to a command.
func (o *apiServerOptions) register(flags *pflag.FlagSet) {
	o.given = flags.Changed
	flags.StringVar(&o.listen, "listen", defaultListen, "address to listen on, as `host:port` or unix//path/of/socket|0660; with --domain, instead of port 443")
	flags.StringArrayVar(&o.domains, "domain", nil, "`name` to serve automatic HTTPS for (repeatable)")
	flags.StringVar(&o.upstream, "upstream", "", "registry to proxy whatever is not Dockit's to, as `host:port` or URL")
	flags.StringArrayVar(&o.services, "service", []string{DefaultService}, "`name` of a registry, its REGISTRY_AUTH_TOKEN_SERVICE (repeatable)")
	flags.StringArrayVar(&o.corsOrigins, "cors-origin", nil, "`origin` whose pages may ask for tokens from a browser, as https://ui.example.com (repeatable)")
	flags.StringArrayVar(&o.trustedProxies, "trusted-proxies", nil, "`network` of proxies in front, whose X-Forwarded-For, -Proto and -Host count: 10.0.0.0/8, private_ranges, or unix for a Unix socket (repeatable; default none)")
	flags.StringVar(&o.issuer, "issuer", DefaultIssuer, "`name` in every token, REGISTRY_AUTH_TOKEN_ISSUER at the registries")
	duration.Var(flags, &o.tokenTTL, "token-ttl", DefaultTokenTTL, "how long a token is valid, at least 1m")
	flags.StringVar(&o.sqlDialect, "sql-dialect", DefaultDialect, "kind of database: sqlite or mysql")
	flags.StringVar(&o.sqlDSN, "sql-dsn", defaultDSN, "database: for sqlite a path or file: URI, for mysql (MariaDB too) user:password@tcp(host:3306)/database?tls=true; rather in DOCKIT_SQL_DSN_FILE")
	flags.StringVar(&o.litestreamSocket, "litestream-socket", "", "control socket of Litestream, a `path`, for sqlite: a change is acknowledged only after Litestream has replicated it")
	flags.BoolVar(&o.pkiGenerate, "pki-generate", true, "make and keep the keys that sign tokens")
	flags.StringVar(&o.pkiFile, "pki-file", "", "PEM `file` with a private key and its certificates to sign with, with --pki-generate=false")
	flags.StringVar(&o.pkiCertificateFile, "pki-certificate-file", "", "PEM `file` with the certificates of the key in --pki-file, when they do not stand in it")
	flags.StringVar(&o.pkiKeyType, "pki-key-type", "ec", "type of the keys that are made: ec, rsa or ed25519")
	flags.IntVar(&o.pkiECKeySize, "pki-ec-key-size", 256, "size of EC keys in bits: 256, 384 or 521")
	flags.IntVar(&o.pkiRSAKeySize, "pki-rsa-key-size", 2048, "size of RSA keys in bits: 2048, 3072 or 4096")
	duration.Var(flags, &o.pkiLeafLife, "pki-leaf-life", pki.DefaultLeafLife, "how long a signing certificate that is made is valid; it is replaced at two thirds of that")
	flags.StringVar(&o.pkiEncryptionKey, "pki-encryption-key", "", "`secret` of at least 32 bytes that seals private keys in the database; rather in DOCKIT_PKI_ENCRYPTION_KEY_FILE")
	flags.BoolVar(&o.pkiSealExisting, "pki-seal-existing", false, "seal the private keys that stand in the database in the clear: for the first start with an encryption key, not for later ones")
	flags.StringVar(&o.rootUser, "root-user", "", "`name` of an admin to create when it is missing")
	flags.StringVar(&o.rootPassword, "root-password", "", "`password` that the root user is created with; default a random one, printed once")
	cli.MarkSecret(flags, "root-password", "sql-dsn", "pki-encryption-key")
	o.registerCredentials(flags)
	duration.Var(flags, &o.serveStale, "serve-stale", cache.DefaultServeStale, "how long tokens are issued from memory while the database does not answer, at most 7d; 0 for not at all")
	duration.Var(flags, &o.auditKeep, "audit-keep", 0, "how long entries of the audit are kept, at least 1d, such as 365d; default for ever")
	flags.IntVar(&o.maxPermissions, "max-permissions", store.DefaultMaxPermissions, "how many permissions one user, robot or group may have")
	flags.StringVar(&o.maxStateSize, "max-state-size", "64MiB", "largest `size` of a state document that rbac plan and apply send")
	flags.StringVar(&o.metricsListen, "metrics-listen", "", "address to serve /metrics, /healthz and /readyz on, as `host:port`; default off")
	flags.StringVar(&o.logLevel, "log-level", "info", "least level to log: debug, info, warn or error")
	flags.StringVar(&o.logFormat, "log-format", "", "console or json; default console on a terminal, else json")
}

// check finds wrong usage before anything is opened or written.
func (o *apiServerOptions) check() error {
	errs := []error{
		checkAddress("--listen", o.listen),
		o.checkDatabase(),
		o.checkKeys(),
		o.checkCredentials(),
		o.checkServeStale(),
		o.checkAuditKeep(),
		o.checkLimits(),
		o.checkTrustedProxies(),
		o.checkMetricsAddress(),
		checkTokenTTL("--token-ttl", caddy.Duration(o.tokenTTL)),
		checkChoice("--log-level", o.logLevel, "debug", "info", "warn", "error"),
	}
	for _, domain := range o.domains {
		errs = append(errs, checkDomain(domain))
	}
	for _, origin := range o.corsOrigins {
		if err := handlers.ValidateOrigin(origin); err != nil {
			errs = append(errs, fmt.Errorf("--cors-origin: %w", err))
		}
	}
	if o.upstream != "" {
		_, err := parseUpstream(o.upstream)
		errs = append(errs, err)
	}
	if o.logFormat != "" {
		errs = append(errs, checkChoice("--log-format", o.logFormat, "console", "json"))
	}
	if o.issuer == "" {
		errs = append(errs, errors.New("--issuer is empty: name what the registries have as REGISTRY_AUTH_TOKEN_ISSUER"))
	}
	for i, service := range o.services {
		if service == "" || slices.Contains(o.services[:i], service) {
			errs = append(errs, fmt.Errorf("--service %q is empty or given twice: name what each registry has as REGISTRY_AUTH_TOKEN_SERVICE", service))
		}
	}
	return errors.Join(append(errs, o.checkRootUser())...)
}

func (o *apiServerOptions) checkDatabase() error {
	if err := checkChoice("--sql-dialect", o.sqlDialect, "sqlite", "mysql"); err != nil {
		return err
	}
	if o.sqlDialect != DefaultDialect && o.litestreamSocket != "" {
		return fmt.Errorf("--litestream-socket with --sql-dialect %s: Litestream replicates SQLite only", o.sqlDialect)
	}
	if o.sqlDialect != DefaultDialect && !o.given("sql-dsn") {
		return fmt.Errorf("--sql-dialect %s needs --sql-dsn: user:password@tcp(host:3306)/database?tls=true", o.sqlDialect)
	}
	if o.sqlDSN == "" {
		return errors.New("--sql-dsn is empty: name the database to use")
	}
	return nil
}

func (o *apiServerOptions) checkServeStale() error {
	if o.serveStale < 0 || o.serveStale > auth.MaxServeStale {
		return fmt.Errorf("--serve-stale is %s: from 0 to %s are allowed", duration.Format(o.serveStale), duration.Format(auth.MaxServeStale))
	}
	return nil
}

func (o *apiServerOptions) checkAuditKeep() error {
	return checkAuditKeep("--audit-keep", caddy.Duration(o.auditKeep))
}

func (o *apiServerOptions) checkLimits() error {
	_, err := parseStateSize("--max-state-size", o.maxStateSize)
	return errors.Join(checkMaxPermissions("--max-permissions", o.maxPermissions), err)
}

func (o *apiServerOptions) checkKeys() error {
	if o.ownKeys() && o.pkiFile != "" {
		return errors.New("--pki-file names a key to sign with, and --pki-generate makes keys: leave one of them out")
	}
	if !o.ownKeys() && o.pkiFile == "" {
		return errors.New("--pki-generate=false needs --pki-file with the key to sign with")
	}
	if o.pkiCertificateFile != "" && o.pkiFile == "" {
		return errors.New("--pki-certificate-file names a certificate without a key: name its key with --pki-file")
	}
	if o.pkiLeafLife <= 0 {
		return fmt.Errorf("--pki-leaf-life is %s: certificates must live for some time, such as 7d", duration.Format(o.pkiLeafLife))
	}
	if _, err := o.keyType(); err != nil {
		return fmt.Errorf("--pki-key-type: %w", err)
	}
	if o.pkiEncryptionKey != "" {
		if _, err := pki.ParseEncryptionKeys(o.pkiEncryptionKey); err != nil {
			return fmt.Errorf("--pki-encryption-key: %w", err)
		}
	} else if o.pkiSealExisting {
		return errors.New("--pki-seal-existing needs --pki-encryption-key with the key to seal with")
	}
	return nil
}

// ownKeys reports whether Dockit makes the keys: unless told not to, or given
// a key.
func (o *apiServerOptions) ownKeys() bool {
	return o.pkiGenerate && (o.pkiFile == "" || o.given("pki-generate"))
}

func (o *apiServerOptions) keyType() (pki.KeyType, error) {
	return pki.KeyTypeOf(o.pkiKeyType, o.pkiECKeySize, o.pkiRSAKeySize)
}

func (o *apiServerOptions) checkRootUser() error {
	if o.rootUser == "" {
		if o.rootPassword != "" {
			return errors.New("--root-password needs --root-user")
		}
		return nil
	}
	return RootUser{Name: o.rootUser, Password: o.rootPassword}.check()
}

func checkChoice(flag, value string, choices ...string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	return fmt.Errorf("%s %q: use %s", flag, value, strings.Join(choices, ", "))
}

func checkDomain(domain string) error {
	if net.ParseIP(domain) == nil && (domain == "" || strings.ContainsAny(domain, ":/ {}*")) {
		return fmt.Errorf("--domain %q: write a name such as registry.example.com, without scheme and port", domain)
	}
	return nil
}

// upstream is a registry to proxy to.
type upstream struct {
	address string
	tls     bool
}

func parseUpstream(s string) (upstream, error) {
	raw := s
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.User != nil ||
		(u.Scheme != "http" && u.Scheme != "https") {
		return upstream{}, errors.New("--upstream: write host:port, http://host:port or https://host, without credentials and path")
	}
	port := u.Port()
	switch {
	case port == "" && u.Scheme == "https":
		port = "443"
	case port == "":
		port = "80"
	}
	return upstream{address: net.JoinHostPort(u.Hostname(), port), tls: u.Scheme == "https"}, nil
}
