package dockit

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/pki"
)

// Defaults of api-server.
const (
	defaultListen = ":4315"
	defaultDSN    = "dockit.sqlite"
)

// apiServerOptions are the flags of api-server.
type apiServerOptions struct {
	listen             string
	domains            []string
	upstream           string
	services           []string
	issuer             string
	tokenTTL           time.Duration
	sqlDialect         string
	sqlDSN             string
	pkiGenerate        bool
	pkiFile            string
	pkiCertificateFile string
	pkiKeyType         string
	pkiECKeySize       int
	pkiRSAKeySize      int
	pkiLeafLife        time.Duration
	pkiEncryptionKey   string
	rootUser           string
	rootPassword       string
	metricsListen      string
	logLevel           string
	logFormat          string

	// given reports whether a flag was set, as against left at its default.
	given func(flag string) bool
}

// check finds wrong usage before anything is opened or written.
func (o *apiServerOptions) check() error {
	errs := []error{
		checkAddress("--listen", o.listen),
		o.checkDatabase(),
		o.checkKeys(),
		checkTokenTTL("--token-ttl", caddy.Duration(o.tokenTTL)),
		checkChoice("--log-level", o.logLevel, "debug", "info", "warn", "error"),
	}
	for _, domain := range o.domains {
		errs = append(errs, checkDomain(domain))
	}
	if o.upstream != "" {
		_, err := parseUpstream(o.upstream)
		errs = append(errs, err)
	}
	if o.metricsListen != "" {
		errs = append(errs, checkAddress("--metrics-listen", o.metricsListen))
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
	if o.sqlDialect != DefaultDialect && !o.given("sql-dsn") {
		return fmt.Errorf("--sql-dialect %s needs --sql-dsn", o.sqlDialect)
	}
	if o.sqlDSN == "" {
		return errors.New("--sql-dsn is empty: name the database to use")
	}
	return nil
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
		return fmt.Errorf("--pki-leaf-life is %s: certificates must live for some time, such as 168h", o.pkiLeafLife)
	}
	if _, err := o.keyType(); err != nil {
		return fmt.Errorf("--pki-key-type: %w", err)
	}
	if o.pkiEncryptionKey != "" {
		if _, err := pki.ParseEncryptionKeys(o.pkiEncryptionKey); err != nil {
			return fmt.Errorf("--pki-encryption-key: %w", err)
		}
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

func checkAddress(flag, address string) error {
	parsed, err := caddy.ParseNetworkAddress(address)
	switch {
	case err != nil:
		return fmt.Errorf("%s %q: %w", flag, address, err)
	case parsed.IsUnixNetwork():
		return nil
	case !strings.Contains(address, ":") || parsed.PortRangeSize() != 1:
		return fmt.Errorf("%s %q: write host:port, or :port for every address of this machine", flag, address)
	}
	return nil
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
