package dockerconfig

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

// Host is what docker stores credentials under: a host, with its port if it has
// one. podman may have stored them for a namespace there, which then follows
// after a slash.
type Host string

// ParseHost reads a registry as people write it: registry.example.com,
// localhost:5000, https://registry.example.com/ or registry.example.com/team.
func ParseHost(registry string) (Host, error) {
	if !strings.Contains(registry, "://") {
		registry = "https://" + registry
	}
	u, err := url.Parse(registry)
	if err == nil && u.User != nil || err != nil && strings.Contains(registry, "@") { // a password, perhaps
		return "", errors.New("registry URL: write registry.example.com or https://registry.example.com, without credentials")
	}
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("registry URL %q: write registry.example.com or https://registry.example.com", printable.Clip(registry))
	}
	return Host(strings.TrimRight(u.Host+u.Path, "/")), nil
}

// Host is the registry without a namespace.
func (h Host) Host() Host {
	host, _, _ := strings.Cut(string(h), "/")
	return Host(host)
}

// keys are what the login may be stored under, the most special first.
func (h Host) keys() []string {
	keys := []string{string(h)}
	for at := strings.LastIndexByte(string(h), '/'); at > 0; at = strings.LastIndexByte(string(h[:at]), '/') {
		keys = append(keys, string(h[:at]))
	}
	return keys
}

// hostOfAddress is the host, or host and namespace, of an address that docker
// stored a login under in former times, such as https://registry.example.com/v1/.
// It is empty for what is no address.
func hostOfAddress(stored string) string {
	_, address, _ := strings.Cut(stored, "://")
	address = strings.TrimSuffix(address, "/")
	return strings.TrimSuffix(strings.TrimSuffix(address, "/v1"), "/v2")
}
