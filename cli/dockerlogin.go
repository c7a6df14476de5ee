package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
)

// registryHost is what docker stores credentials under: a host, with its port
// if it has one.
type registryHost string

func (h registryHost) String() string      { return string(h) }
func (h registryHost) RegistryStr() string { return string(h) }

// hostOf reads a registry as people write it: registry.example.com,
// localhost:5000 or https://registry.example.com/.
func hostOf(registry string) (registryHost, error) {
	if !strings.Contains(registry, "://") {
		registry = "https://" + registry
	}
	u, err := url.Parse(registry)
	if err != nil || u.Host == "" || u.User != nil {
		return "", fmt.Errorf("registry URL %q: write registry.example.com or https://registry.example.com", clip(registry))
	}
	return registryHost(u.Host), nil
}

// dockerLogin finds what `docker login` or `podman login` stored for a
// registry, in a file or by a credential helper. Without any, the password is
// empty. An identity token goes without a name.
func dockerLogin(ctx context.Context, host registryHost) (username, pw string, err error) {
	found, err := authn.Resolve(ctx, authn.DefaultKeychain, host)
	if err != nil {
		return "", "", fmt.Errorf("read what docker stored for %s: %w", host, err)
	}
	config, err := authn.Authorization(ctx, found)
	if err != nil {
		return "", "", fmt.Errorf("read what docker stored for %s: %w", host, err)
	}
	if config.IdentityToken != "" {
		return "", config.IdentityToken, nil
	}
	return config.Username, config.Password, nil
}
