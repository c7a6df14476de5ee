package federation

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/subject"
)

// Bounds of what an issuer is made of.
const (
	// MaxURLLength is the longest URL, in bytes.
	MaxURLLength = 512
	// MaxAudiences is how many audiences an issuer may have.
	MaxAudiences = 16
	// MaxAudienceLength is the longest audience, in bytes.
	MaxAudienceLength = 255
	// MaxStaticKeys is the largest JWK set that is given with the issuer, in
	// bytes.
	MaxStaticKeys = 32 << 10
	// MaxCA is the largest bundle of authorities, in bytes.
	MaxCA = 16 << 10
	// MaxPathLength is the longest name of a file, in bytes.
	MaxPathLength = 512
	// DefaultMaxAge is how old a token may be, from its iat.
	DefaultMaxAge = 24 * time.Hour
	// MinMaxAge and MaxMaxAge bound what may be said instead.
	MinMaxAge = time.Minute
	MaxMaxAge = 366 * 24 * time.Hour
)

// ErrInvalidIssuer is returned for an issuer that says something impossible.
var ErrInvalidIssuer = errors.New("invalid issuer")

// Issuer is who signs tokens that say which job or workload a client is.
type Issuer struct {
	// Name is as that of a subject.
	Name string
	// URL is the iss of its tokens, to the byte. It is a URL with https, or http
	// on a loopback address; any text if its keys are given or have a URL of
	// their own.
	URL  string
	Kind Kind
	// Audiences are good for every service. Without any, a token for a service
	// must name that service, or https:// and that service.
	Audiences []string
	// JWKSURL is where its keys are, and JWKS is a JWK set that holds them. At
	// most one is set. Without either, discovery says where they are.
	JWKSURL string
	JWKS    string
	// JWKSHost is a host, with a port if it is not that of https, on which the
	// keys that discovery names may stand. Default: that of the issuer alone.
	JWKSHost string
	// CA is a bundle of certificates in PEM that may vouch for the issuer's
	// host, and they alone. Default: the authorities of the system.
	CA string
	// BearerFile is a file on the server with a token of this very issuer,
	// shown to it when its keys are fetched, and to no other server. Default: none.
	BearerFile string
	// MaxAge is how old a token may be. Zero means [DefaultMaxAge].
	MaxAge time.Duration
	// Disabled takes none of its tokens.
	Disabled bool
}

// Discovers reports whether discovery says where the keys are.
func (i Issuer) Discovers() bool { return i.JWKSURL == "" && i.JWKS == "" }

// LongestAge is MaxAge, or its default.
func (i Issuer) LongestAge() time.Duration {
	if i.MaxAge == 0 {
		return DefaultMaxAge
	}
	return i.MaxAge
}

// Validate reports why there cannot be such an issuer, or nil. It fetches
// nothing. Errors: [ErrInvalidIssuer], [subject.ErrInvalidName], [ErrInvalidKind].
func (i Issuer) Validate() error {
	if err := subject.ValidateName(i.Name); err != nil {
		return fmt.Errorf("name of the issuer: %w", err)
	}
	if _, err := ParseKind(string(i.Kind)); err != nil || i.Kind == "" {
		return fmt.Errorf("issuer %s: %w", i.Name, errors.Join(err, errorIf(i.Kind == "", ErrInvalidKind)))
	}
	for _, fault := range []string{
		i.urlFault(), i.audienceFault(), i.keysFault(), i.caFault(), i.bearerFileFault(), i.maxAgeFault(), i.kindFault(),
	} {
		if fault != "" {
			return fmt.Errorf("%w %s: %s", ErrInvalidIssuer, i.Name, fault)
		}
	}
	return nil
}

func errorIf(condition bool, err error) error {
	if condition {
		return err
	}
	return nil
}

func (i Issuer) urlFault() string {
	if fault := textFault(i.URL, MaxURLLength); fault != "" {
		return "the URL (the iss of its tokens) " + fault
	}
	if !i.Discovers() {
		return ""
	}
	if fault := urlFault(i.URL); fault != "" {
		return fmt.Sprintf("the URL %q %s; an issuer with another iss needs --jwks", i.URL, fault)
	}
	return ""
}

// textFault says what is wrong with a short text that must be there.
func textFault(s string, most int) string {
	switch {
	case s == "":
		return "is missing"
	case len(s) > most:
		return fmt.Sprintf("is %d bytes long, at most %d are allowed", len(s), most)
	case strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || !printable.Rune(r) }):
		return fmt.Sprintf("%q has spaces, or characters that cannot be shown", printable.Clip(s))
	default:
		return ""
	}
}

// urlFault says what is wrong with a URL from which something is fetched.
func urlFault(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Opaque != "" || u.Host == "" || u.Hostname() == "":
		return "is no URL: write https://host/path"
	case !MayFetch(u):
		return "has no https: http is taken on loopback addresses only"
	case u.User != nil:
		return "holds a user name: leave it out"
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return "has a query or a fragment: leave it out"
	default:
		return ""
	}
}

// MayFetch reports whether something may be fetched from a URL: by https, or by
// http from this machine.
func MayFetch(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

func (i Issuer) audienceFault() string {
	if len(i.Audiences) > MaxAudiences {
		return fmt.Sprintf("it has %d audiences, at most %d are allowed", len(i.Audiences), MaxAudiences)
	}
	for at, audience := range i.Audiences {
		if fault := textFault(audience, MaxAudienceLength); fault != "" {
			return "an audience " + fault
		}
		if slices.Contains(i.Audiences[:at], audience) {
			return fmt.Sprintf("the audience %q stands twice", audience)
		}
	}
	return ""
}

func (i Issuer) keysFault() string {
	switch {
	case i.JWKSURL != "" && i.JWKS != "":
		return "its keys are given and have a URL as well: leave one out"
	case i.JWKSHost != "" && !i.Discovers():
		return "a host for the keys that discovery names (--jwks-host) is no use beside keys that are not found by discovery (--jwks)"
	case i.JWKS != "" && (i.CA != "" || i.BearerFile != ""):
		return "its keys are given, so that nothing is fetched: leave --ca-file and --bearer-file out"
	case len(i.JWKSURL) > MaxURLLength:
		return fmt.Sprintf("the URL of its keys is %d bytes long, at most %d are allowed", len(i.JWKSURL), MaxURLLength)
	case len(i.JWKS) > MaxStaticKeys:
		return fmt.Sprintf("its JWK set is %d bytes long, at most %d are allowed", len(i.JWKS), MaxStaticKeys)
	}
	if i.JWKSURL != "" {
		if fault := urlFault(i.JWKSURL); fault != "" {
			return fmt.Sprintf("the URL of its keys %q %s", i.JWKSURL, fault)
		}
	}
	if i.JWKSHost != "" && !isHostPort(i.JWKSHost) {
		return fmt.Sprintf("%q is no host for its keys: write keys.example.com, or keys.example.com:8443", printable.Clip(i.JWKSHost))
	}
	if i.JWKS != "" {
		var set struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if err := json.Unmarshal([]byte(i.JWKS), &set); err != nil || len(set.Keys) == 0 {
			return `its keys are no JWK set: give the JSON that the issuer publishes, {"keys": [...]}`
		}
	}
	return ""
}

// isHostPort reports whether s is a host, with or without a port, as URLs have it.
func isHostPort(s string) bool {
	u, err := url.Parse("https://" + s)
	return err == nil && len(s) <= MaxURLLength && u.Host == s && u.Hostname() != "" && textFault(s, MaxURLLength) == "" && !strings.HasSuffix(s, ":")
}

func (i Issuer) caFault() string {
	if i.CA == "" {
		return ""
	}
	if len(i.CA) > MaxCA {
		return fmt.Sprintf("its authorities are %d bytes long, at most %d are allowed", len(i.CA), MaxCA)
	}
	rest, some := []byte(i.CA), false
	for block, more := pem.Decode(rest); block != nil; block, more = pem.Decode(more) {
		if block.Type != "CERTIFICATE" {
			return fmt.Sprintf("its authorities hold a %q: give certificates alone, in PEM", printable.Clip(block.Type))
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Sprintf("its authorities hold a certificate that cannot be read (%v): give certificates in PEM", err)
		}
		some = true
		rest = more
	}
	if !some || strings.TrimSpace(string(rest)) != "" {
		return "its authorities are not certificates in PEM alone"
	}
	return ""
}

func (i Issuer) bearerFileFault() string {
	if i.BearerFile == "" {
		return ""
	}
	if len(i.BearerFile) > MaxPathLength || !path.IsAbs(i.BearerFile) || path.Clean(i.BearerFile) != i.BearerFile || strings.ContainsFunc(i.BearerFile, func(r rune) bool { return !printable.Rune(r) }) {
		return fmt.Sprintf("the bearer file %q is no absolute path on the server, such as /var/run/secrets/kubernetes.io/serviceaccount/token", printable.Clip(i.BearerFile))
	}
	return ""
}

func (i Issuer) maxAgeFault() string {
	if i.MaxAge != 0 && (i.MaxAge < MinMaxAge || i.MaxAge > MaxMaxAge) {
		return fmt.Sprintf("the longest age of a token is %s: choose 1m to 366d", i.MaxAge)
	}
	if i.MaxAge%time.Second != 0 {
		return fmt.Sprintf("the longest age of a token is %s: choose whole seconds", i.MaxAge)
	}
	return ""
}

// KeyHosts are the hosts, with their ports, on which the keys may stand that
// discovery names.
func (i Issuer) KeyHosts() []string {
	hosts := make([]string, 0, 2)
	if u, err := url.Parse(i.URL); err == nil && u.Host != "" {
		hosts = append(hosts, withPort(u.Host, u.Scheme))
	}
	if i.JWKSHost != "" {
		hosts = append(hosts, withPort(i.JWKSHost, "https"))
	}
	return hosts
}

// withPort is a host of a URL with the port that is meant, in lower case.
func withPort(host, scheme string) string {
	u := url.URL{Host: strings.ToLower(host)}
	if u.Port() != "" {
		return u.Host
	}
	if scheme == "http" {
		return net.JoinHostPort(u.Hostname(), "80")
	}
	return net.JoinHostPort(u.Hostname(), "443")
}

// SameHost reports whether a URL is on one of the hosts that [Issuer.KeyHosts]
// gives.
func SameHost(hosts []string, u *url.URL) bool {
	return slices.Contains(hosts, withPort(u.Host, u.Scheme))
}
