package dockit

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/internal/registryclient"
	"github.com/dockit-registry/dockit/internal/settings"
	"github.com/dockit-registry/dockit/internal/token"
)

// Service is a registry that tokens are issued for.
type Service struct {
	// Name is what the registry has as REGISTRY_AUTH_TOKEN_SERVICE.
	Name string `json:"name,omitempty"`

	// Profile is how tokens name the key that signed them: x5c for
	// distribution with REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE, jwks for
	// distribution with REGISTRY_AUTH_TOKEN_JWKS alone, zot for zot.
	// Default: x5c.
	Profile string `json:"profile,omitempty"`

	// TokenTTL is how long a token is valid, at least 1m. Default: the
	// token_ttl of the app.
	TokenTTL caddy.Duration `json:"token_ttl,omitempty"`

	// URL is where Dockit itself finds the registry, as http://zot:5000, to show
	// what is in it. Default: none, and the page for people shows no repositories.
	URL string `json:"url,omitempty"`

	// CAFile is a PEM file with the authorities that vouch for the registry at an
	// https URL. Default: those of the system.
	CAFile string `json:"ca_file,omitempty"`

	// Host is what clients name the registry by in an image, as registry.example.com,
	// for what the page shows to copy. Default: the name of the service where that is
	// a host, or else the host of the URL.
	Host string `json:"host,omitempty"`

	// Proxied is set when clients reach the registry at the host of the page, which
	// passes their requests on: then that is the default of Host.
	Proxied bool `json:"proxied,omitempty"`

	profile  token.Profile
	registry *registryclient.Config // nil without a URL
}

func (s *Service) setDefaults(ttl caddy.Duration) (err error) {
	if s.Name, err = expand("service", s.Name); err != nil {
		return err
	}
	if s.profile, err = parseProfile(s.Profile); err != nil {
		return fmt.Errorf("service %s: %w", s.Name, err)
	}
	if s.TokenTTL == 0 {
		s.TokenTTL = ttl
	}
	if err := settings.CheckTokenTTL("service "+s.Name+": token_ttl", time.Duration(s.TokenTTL)); err != nil {
		return err
	}
	return s.findRegistry()
}

// findRegistry reads where the registry is.
func (s *Service) findRegistry() (err error) {
	name := "service " + s.Name + ": "
	if s.Host, err = expand(name+"host", s.Host); err != nil {
		return err
	}
	if s.Host != "" {
		if err := settings.CheckRegistryHost(name+"host", s.Host); err != nil {
			return err
		}
	}
	location, err := expand(name+"url", s.URL)
	if err != nil {
		return err
	}
	file, err := expand(name+"ca_file", s.CAFile)
	if err != nil {
		return err
	}
	if location == "" {
		if file != "" {
			return fmt.Errorf("%sca_file without a url: name the registry that it is for", name)
		}
		return nil
	}
	s.registry = new(registryclient.Config)
	if s.registry.URL, err = settings.ParseRegistryURL(name+"url", location); err != nil || file == "" {
		return err
	}
	s.registry.RootCAs, err = settings.ReadCAFile(name+"ca_file", file)
	return err
}

func parseProfile(s string) (token.Profile, error) {
	if s == "" {
		return token.ProfileX5C, nil
	}
	return token.ParseProfile(s)
}

// handlerServices are the services as the endpoints and the admin API take them.
func handlerServices(services []*Service) []handlers.Service {
	all := make([]handlers.Service, len(services))
	for i, s := range services {
		all[i] = handlers.Service{Name: s.Name, Profile: s.profile, TokenTTL: time.Duration(s.TokenTTL)}
	}
	return all
}
