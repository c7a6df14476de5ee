package apiserver

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/cli"
	databasecli "github.com/dockit-registry/dockit/internal/cli/database"
	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/firstadmin"
	"github.com/dockit-registry/dockit/internal/settings"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
)

// Defaults of api-server.
const (
	defaultListen = ":4315"
	defaultDSN    = databasecli.DefaultDSN
)

// Options are the flags of api-server, each under the name of its flag.
type Options struct {
	Listen             string
	Domains            []string
	Upstream           string
	UI                 bool
	Services           []string
	Registries         []string
	RegistryCAFile     string
	RegistryHosts      []string
	CORSOrigins        []string
	TrustedProxies     []string
	Issuer             string
	TokenTTL           time.Duration
	SharedTokens       bool
	SQLDialect         string
	SQLDSN             string
	LitestreamSocket   string
	PKIGenerate        bool
	PKIFile            string
	PKICertificateFile string
	PKIKeyType         string
	PKIECKeySize       int
	PKIRSAKeySize      int
	PKILeafLife        time.Duration
	PKIEncryptionKey   string
	PKISealExisting    bool
	RootUser           string
	RootPassword       string
	RefreshTokens      bool
	RefreshTokenLife   time.Duration
	RefreshTokenIdle   time.Duration
	AccessTokenLife    time.Duration
	RobotTokens        int
	RefusedPasswords   string
	ServeStale         time.Duration
	AuditKeep          time.Duration
	MaxPermissions     int
	MaxStateSize       string
	MetricsListen      string
	LogLevel           string
	LogFormat          string

	// Given reports whether a flag was set, as against left at its default.
	Given func(flag string) bool
}

// Register adds the flags to a command, with what holds without them.
func (o *Options) Register(flags *pflag.FlagSet) {
	o.Given = flags.Changed
	flags.StringVar(&o.Listen, "listen", defaultListen, "address to listen on, as `host:port` or unix//path/of/socket|0660; with --domain, instead of port 443")
	flags.StringArrayVar(&o.Domains, "domain", nil, "`name` to serve automatic HTTPS for (repeatable)")
	flags.StringVar(&o.Upstream, "upstream", "", "registry to proxy whatever is not Dockit's to, as `host:port` or URL")
	flags.BoolVar(&o.UI, "ui", true, "serve the page for people at /dockit/")
	flags.StringArrayVar(&o.Services, "service", []string{settings.DefaultService}, "`name` of a registry, its REGISTRY_AUTH_TOKEN_SERVICE (repeatable)")
	flags.StringArrayVar(&o.Registries, "registry", nil, "where the page finds the registry of a service, as `name=URL`: registry=http://localhost:5000 (repeatable; default --upstream)")
	flags.StringArrayVar(&o.RegistryHosts, "registry-host", nil, "what clients name the registry of a service by, for what the page shows to copy, as `name=host`: registry=registry.example.com (repeatable; default the service where it is a host, or else the host of --registry)")
	flags.StringVar(&o.RegistryCAFile, "registry-ca-file", "", "PEM `file` with the authorities that vouch for the registries of --registry at https URLs; default those of the system")
	flags.StringArrayVar(&o.CORSOrigins, "cors-origin", nil, "`origin` whose pages may ask for tokens from a browser, as https://ui.example.com (repeatable)")
	flags.StringArrayVar(&o.TrustedProxies, "trusted-proxies", nil, "`network` of proxies in front, whose X-Forwarded-For, -Proto and -Host count: 10.0.0.0/8, private_ranges, or unix for a Unix socket (repeatable; default none)")
	flags.StringVar(&o.Issuer, "issuer", settings.DefaultIssuer, "`name` in every token, REGISTRY_AUTH_TOKEN_ISSUER at the registries")
	duration.Var(flags, &o.TokenTTL, "token-ttl", settings.DefaultTokenTTL, "how long a token is valid, at least 1m")
	flags.BoolVar(&o.SharedTokens, "shared-tokens", true, "give who asks for the very same within a second the very same token, signed once")
	flags.StringVar(&o.SQLDialect, "sql-dialect", settings.DefaultDialect, "kind of database: sqlite or mysql")
	flags.StringVar(&o.SQLDSN, "sql-dsn", defaultDSN, "database: for sqlite a path or file: URI, for mysql (MariaDB too) user:password@tcp(host:3306)/database?tls=true; rather in DOCKIT_SQL_DSN_FILE")
	flags.StringVar(&o.LitestreamSocket, "litestream-socket", "", "control socket of Litestream, a `path`, for sqlite: a change is acknowledged only after Litestream has replicated it")
	flags.BoolVar(&o.PKIGenerate, "pki-generate", true, "make and keep the keys that sign tokens")
	flags.StringVar(&o.PKIFile, "pki-file", "", "PEM `file` with a private key and its certificates to sign with, with --pki-generate=false")
	flags.StringVar(&o.PKICertificateFile, "pki-certificate-file", "", "PEM `file` with the certificates of the key in --pki-file, when they do not stand in it")
	flags.StringVar(&o.PKIKeyType, "pki-key-type", "ec", "type of the keys that are made: ec, rsa or ed25519")
	flags.IntVar(&o.PKIECKeySize, "pki-ec-key-size", 256, "size of EC keys in bits: 256, 384 or 521")
	flags.IntVar(&o.PKIRSAKeySize, "pki-rsa-key-size", 2048, "size of RSA keys in bits: 2048, 3072 or 4096")
	duration.Var(flags, &o.PKILeafLife, "pki-leaf-life", pki.DefaultLeafLife, "how long a signing certificate that is made is valid; it is replaced at two thirds of that")
	flags.StringVar(&o.PKIEncryptionKey, "pki-encryption-key", "", "`secret` of at least 32 bytes that seals private keys in the database; rather in DOCKIT_PKI_ENCRYPTION_KEY_FILE")
	flags.BoolVar(&o.PKISealExisting, "pki-seal-existing", false, "seal the private keys that stand in the database in the clear: for the first start with an encryption key, not for later ones")
	flags.StringVar(&o.RootUser, "root-user", "", "`name` of an admin to create when it is missing")
	flags.StringVar(&o.RootPassword, "root-password", "", "`password` that the root user is created with; default a random one, printed once")
	cli.MarkSecret(flags, "root-password", "sql-dsn", "pki-encryption-key")
	o.registerCredentials(flags)
	duration.Var(flags, &o.ServeStale, "serve-stale", cache.DefaultServeStale, "how long tokens are issued from memory while the database does not answer, at most 7d; 0 for not at all")
	duration.Var(flags, &o.AuditKeep, "audit-keep", 0, "how long entries of the audit are kept, at least 1d, such as 365d; default for ever")
	flags.IntVar(&o.MaxPermissions, "max-permissions", store.DefaultMaxPermissions, "how many permissions one user, robot or group may have")
	flags.StringVar(&o.MaxStateSize, "max-state-size", "64MiB", "largest `size` of a state document that rbac plan and apply send")
	flags.StringVar(&o.MetricsListen, "metrics-listen", "", "address to serve /metrics, /healthz and /readyz on, as `host:port`; default off")
	flags.StringVar(&o.LogLevel, "log-level", "info", "least level to log: debug, info, warn or error")
	flags.StringVar(&o.LogFormat, "log-format", "", "console or json; default console on a terminal, else json")
}

// Check finds wrong usage before anything is opened or written.
func (o *Options) Check() error {
	errs := []error{
		checkAddress("--listen", o.Listen),
		o.checkDatabase(),
		o.checkKeys(),
		o.checkCredentials(),
		o.checkServeStale(),
		settings.CheckAuditKeep("--audit-keep", o.AuditKeep),
		o.checkLimits(),
		o.checkTrustedProxies(),
		o.checkMetricsAddress(),
		settings.CheckTokenTTL("--token-ttl", o.TokenTTL),
		o.checkRegistries(),
		checkChoice("--log-level", o.LogLevel, "debug", "info", "warn", "error"),
	}
	for _, domain := range o.Domains {
		errs = append(errs, checkDomain(domain))
	}
	for _, origin := range o.CORSOrigins {
		if err := handlers.ValidateOrigin(origin); err != nil {
			errs = append(errs, fmt.Errorf("--cors-origin: %w", err))
		}
	}
	if o.Upstream != "" {
		_, err := parseUpstream(o.Upstream)
		errs = append(errs, err)
	}
	if o.LogFormat != "" {
		errs = append(errs, checkChoice("--log-format", o.LogFormat, "console", "json"))
	}
	if o.Issuer == "" {
		errs = append(errs, errors.New("--issuer is empty: name what the registries have as REGISTRY_AUTH_TOKEN_ISSUER"))
	}
	for i, service := range o.Services {
		if service == "" || slices.Contains(o.Services[:i], service) {
			errs = append(errs, fmt.Errorf("--service %q is empty or given twice: name what each registry has as REGISTRY_AUTH_TOKEN_SERVICE", service))
		}
	}
	return errors.Join(append(errs, o.checkRootUser())...)
}

func (o *Options) checkDatabase() error {
	if err := checkChoice("--sql-dialect", o.SQLDialect, "sqlite", "mysql"); err != nil {
		return err
	}
	if o.SQLDialect != settings.DefaultDialect && o.LitestreamSocket != "" {
		return fmt.Errorf("--litestream-socket with --sql-dialect %s: Litestream replicates SQLite only", o.SQLDialect)
	}
	if o.SQLDialect != settings.DefaultDialect && !o.Given("sql-dsn") {
		return fmt.Errorf("--sql-dialect %s needs --sql-dsn: user:password@tcp(host:3306)/database?tls=true", o.SQLDialect)
	}
	if o.SQLDSN == "" {
		return errors.New("--sql-dsn is empty: name the database to use")
	}
	return nil
}

func (o *Options) checkServeStale() error {
	if o.ServeStale < 0 || o.ServeStale > auth.MaxServeStale {
		return fmt.Errorf("--serve-stale is %s: from 0 to %s are allowed", duration.Format(o.ServeStale), duration.Format(auth.MaxServeStale))
	}
	return nil
}

func (o *Options) checkLimits() error {
	_, err := settings.ParseStateSize("--max-state-size", o.MaxStateSize)
	return errors.Join(settings.CheckMaxPermissions("--max-permissions", o.MaxPermissions), err)
}

func (o *Options) checkKeys() error {
	if o.ownKeys() && o.PKIFile != "" {
		return errors.New("--pki-file names a key to sign with, and --pki-generate makes keys: leave one of them out")
	}
	if !o.ownKeys() && o.PKIFile == "" {
		return errors.New("--pki-generate=false needs --pki-file with the key to sign with")
	}
	if o.PKICertificateFile != "" && o.PKIFile == "" {
		return errors.New("--pki-certificate-file names a certificate without a key: name its key with --pki-file")
	}
	if o.PKILeafLife <= 0 {
		return fmt.Errorf("--pki-leaf-life is %s: certificates must live for some time, such as 7d", duration.Format(o.PKILeafLife))
	}
	if _, err := o.KeyType(); err != nil {
		return fmt.Errorf("--pki-key-type: %w", err)
	}
	if o.PKIEncryptionKey != "" {
		if _, err := pki.ParseEncryptionKeys(o.PKIEncryptionKey); err != nil {
			return fmt.Errorf("--pki-encryption-key: %w", err)
		}
	} else if o.PKISealExisting {
		return errors.New("--pki-seal-existing needs --pki-encryption-key with the key to seal with")
	}
	return nil
}

// ownKeys reports whether Dockit makes the keys: unless the options forbid it,
// or name a key.
func (o *Options) ownKeys() bool {
	return o.PKIGenerate && (o.PKIFile == "" || o.Given("pki-generate"))
}

// KeyType is the type of the keys that are made.
func (o *Options) KeyType() (pki.KeyType, error) {
	return pki.KeyTypeOf(o.PKIKeyType, o.PKIECKeySize, o.PKIRSAKeySize)
}

func (o *Options) checkRootUser() error {
	if o.RootUser == "" {
		if o.RootPassword != "" {
			return errors.New("--root-password needs --root-user")
		}
		return nil
	}
	return firstadmin.User{Name: o.RootUser, Password: o.RootPassword}.Check()
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

// url is where it is.
func (u upstream) url() string {
	if u.tls {
		return "https://" + u.address
	}
	return "http://" + u.address
}
