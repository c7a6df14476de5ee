package settings

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// maxURL bounds where a registry is said to be, in bytes.
	maxURL = 2 << 10
	// maxHost bounds the name of a host, with a port.
	maxHost = 255 + len(":65535")
	// maxCAFile bounds a file of certificates, in bytes.
	maxCAFile = 1 << 20
)

// ParseRegistryURL reads where a registry is: a scheme, a host and maybe a port.
func ParseRegistryURL(name, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		// Not the text: it may hold credentials.
		return nil, fmt.Errorf("%s: write where the registry is as http://host:port or https://host, without credentials and path", name)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// CheckRegistryHost refuses what cannot stand before the name of an image: a host, and
// maybe a port.
func CheckRegistryHost(name, text string) error {
	u, err := url.Parse("http://" + text)
	if err != nil || len(text) > maxHost || u.Host != text || u.Hostname() == "" || strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") != "" {
		return fmt.Errorf("%s %q: write a host as in docker pull, such as registry.example.com or localhost:5000", name, printable.Clip(printable.Line(text)))
	}
	return nil
}

// ReadCAFile reads the authorities that may vouch for a registry.
func ReadCAFile(name, file string) (*x509.CertPool, error) {
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxCAFile {
		err = fmt.Errorf("%s is larger than %d bytes", printable.Clip(file), maxCAFile)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: read the authorities of a registry: %w", name, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: %s has no certificate in PEM: name a file with those of the authorities", name, printable.Clip(file))
	}
	return pool, nil
}
