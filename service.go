package dockit

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/dockit-registry/dockit/handlers"
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

	profile token.Profile
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
	return settings.CheckTokenTTL("service "+s.Name+": token_ttl", time.Duration(s.TokenTTL))
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
