// Package handlers answers Dockit's HTTP endpoints. It knows nothing of Caddy:
// everything is plain net/http. Where a request comes from, the server in front
// says by [auth.WithOrigin].
package handlers

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/token"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
)

// MinTokenTTL is the shortest life of a registry token.
const MinTokenTTL = token.MinTTL

// Service is a registry that Dockit issues tokens for.
type Service struct {
	// Name is what the registry has as REGISTRY_AUTH_TOKEN_SERVICE. It becomes
	// the audience of its tokens.
	Name string
	// Profile is how the tokens name their key.
	Profile token.Profile
	// TokenTTL is how long a token is valid, at least [MinTokenTTL].
	TokenTTL time.Duration
}

// Config is what a [Server] is made of.
type Config struct {
	Store *store.Store
	Ring  *pki.Ring
	Auth  *auth.Authenticator
	// Issuer is the name in every token, REGISTRY_AUTH_TOKEN_ISSUER at the
	// registry.
	Issuer   string
	Services []Service
	// SharedTokens has who asks for the very same within a second get the very
	// same token.
	SharedTokens bool
	// CORSOrigins are the pages that may ask for tokens from a browser, each as
	// [ValidateOrigin] wants it. Default: none.
	CORSOrigins []string
	// Admin answers everything below [adminPath], within bounds of its own, and Page
	// everything else below [pagePath].
	Admin   http.Handler
	Page    http.Handler
	Metrics *Metrics
	Logger  *zap.Logger
}

// Server holds the handlers of every endpoint.
type Server struct {
	config   Config
	services map[string]*servedService
	log      *tokenLog
	routes   map[Route]http.Handler
}

// servedService is a service with what issues its tokens.
type servedService struct {
	Service
	tokens *token.Issuer
}

// Paths of the endpoints.
const (
	tokenPath  = "/v2/token"
	revokePath = "/v2/token/revoke"
	pemPath    = "/v2/certs/pem"
	jwksPath   = "/v2/certs/jwks"
	jwsPath    = "/v2/certs/jws"
	adminPath  = "/dockit/api/v1/"
	pagePath   = "/dockit/"
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// Endpoints is a set of groups of endpoints.
type Endpoints uint8

const (
	// Token is [tokenPath] and [revokePath].
	Token Endpoints = 1 << iota
	// Certs is [pemPath], [jwksPath] and [jwsPath].
	Certs
	// Admin is everything below [adminPath].
	Admin
	// Health is [healthPath] and [readyPath].
	Health
	// UI is everything below [pagePath] but for [adminPath], and pagePath without its slash.
	UI

	// AllEndpoints is every group.
	AllEndpoints = Token | Certs | Admin | Health | UI
)

var endpointNames = map[string]Endpoints{"token": Token, "certs": Certs, "admin": Admin, "health": Health, "ui": UI}

// ParseEndpoint reads the name of a group: token, certs, admin, health or ui.
func ParseEndpoint(name string) (Endpoints, error) {
	e, ok := endpointNames[name]
	if !ok {
		return 0, fmt.Errorf("unknown endpoint %q: use token, certs, admin, health or ui", name)
	}
	return e, nil
}

// Validate says what the configuration lacks, apart from what the endpoints
// stand on: Store, Ring and Auth.
func (c Config) Validate() error {
	if c.Issuer == "" {
		return errors.New("no issuer: name what the registries have as REGISTRY_AUTH_TOKEN_ISSUER")
	}
	if len(c.Services) == 0 {
		return errors.New("no service: name what a registry has as REGISTRY_AUTH_TOKEN_SERVICE")
	}
	for _, origin := range c.CORSOrigins {
		if err := ValidateOrigin(origin); err != nil {
			return fmt.Errorf("CORS: %w", err)
		}
	}
	seen := make(map[string]bool, len(c.Services))
	for _, service := range c.Services {
		if service.Name == "" {
			return errors.New("a service without a name")
		}
		if seen[service.Name] {
			return fmt.Errorf("service %q is configured twice", service.Name)
		}
		if service.TokenTTL < MinTokenTTL {
			return fmt.Errorf("service %q: tokens of %s are too short-lived: clients need at least %s", service.Name, service.TokenTTL, MinTokenTTL)
		}
		seen[service.Name] = true
	}
	return nil
}

// groups are the groups of the endpoints that have one path.
var groups = map[string]Endpoints{
	tokenPath:  Token,
	revokePath: Token,
	pemPath:    Certs,
	jwksPath:   Certs,
	jwsPath:    Certs,
	healthPath: Health,
	readyPath:  Health,
}

// Route stands for one endpoint, wherever it is served: [Endpoints.Route] finds
// that of a request, and [Server.Handler] what answers it.
type Route string

// Route finds the endpoint of a path, unless it is none of these.
func (e Endpoints) Route(path string) (Route, bool) {
	if group, found := groups[path]; found {
		return Route(path), group&e != 0
	}
	if strings.HasPrefix(path, adminPath) {
		return adminPath, e&Admin != 0
	}
	return pagePath, e&UI != 0 && (strings.HasPrefix(path, pagePath) || path+"/" == pagePath)
}

// Include reports whether a path is that of one of the endpoints.
func (e Endpoints) Include(path string) bool {
	_, found := e.Route(path)
	return found
}

// ExamplePaths has a path of every endpoint that programs use.
func ExamplePaths() []string {
	return append(slices.Sorted(maps.Keys(groups)), adminPath+"users")
}

// New makes a Server, or says what the configuration lacks.
func New(config Config) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if config.Logger == nil {
		config.Logger = zap.NewNop()
	}
	s := &Server{config: config, services: make(map[string]*servedService, len(config.Services)), log: newTokenLog(config.Logger)}
	for _, service := range config.Services {
		s.services[service.Name] = &servedService{service, token.NewIssuer(token.Config{
			Issuer: config.Issuer, Service: service.Name, Profile: service.Profile, TTL: service.TokenTTL, Share: config.SharedTokens,
		})}
	}
	s.routes = map[Route]http.Handler{
		tokenPath:  bounded(allowOrigins(config.CORSOrigins, http.HandlerFunc(s.serveToken))),
		revokePath: bounded(allowOrigins(config.CORSOrigins, http.HandlerFunc(s.serveRevoke))),
		pemPath:    bounded(http.HandlerFunc(s.servePEM)),
		jwksPath:   bounded(http.HandlerFunc(s.serveJWKS)),
		jwsPath:    bounded(http.HandlerFunc(s.serveJWS)),
		healthPath: bounded(http.HandlerFunc(s.serveHealth)),
		readyPath:  bounded(http.HandlerFunc(s.serveReady)),
	}
	if config.Admin != nil {
		s.routes[adminPath] = config.Admin
	}
	if config.Page != nil {
		s.routes[pagePath] = config.Page
	}
	return s, nil
}

// Handler returns what answers the requests of a route.
func (s *Server) Handler(route Route) http.Handler { return s.routes[route] }

// serviceNames lists the configured services for messages.
func (s *Server) serviceNames() []string {
	names := make([]string, 0, len(s.services))
	for name := range s.services {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
