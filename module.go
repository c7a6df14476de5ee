// Package dockit is the Caddy module of Dockit, authentication for OCI
// registries: the app "dockit", which holds users and keys, and the handler
// "http.handlers.dockit", which answers Dockit's endpoints in a site.
//
// Everything that does not need Caddy lives in the packages below this one.
package dockit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/handlers/admin"
	"github.com/dockit-registry/dockit/internal/firstadmin"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/internal/retention"
	"github.com/dockit-registry/dockit/internal/settings"
	"github.com/dockit-registry/dockit/internal/version"
	"github.com/dockit-registry/dockit/store"
)

func init() {
	caddy.RegisterModule(new(App))
}

// Defaults of an [App].
const (
	DefaultIssuer   = settings.DefaultIssuer
	DefaultService  = settings.DefaultService
	DefaultTokenTTL = settings.DefaultTokenTTL
)

// App holds what all sites share: one database, one key ring and the services
// that tokens are issued for.
//
// Every string may hold placeholders such as {env.DOCKIT_DSN} or
// {file./run/secrets/dockit_root}. They stay placeholders in the stored
// configuration; one that is unknown or empty is an error.
type App struct {
	// Issuer is the name in every token, REGISTRY_AUTH_TOKEN_ISSUER at the
	// registries. Default: dockit.
	Issuer string `json:"issuer,omitempty"`

	// Services are the registries that tokens are issued for. Default: one
	// that is called registry.
	Services []*Service `json:"services,omitempty"`

	// Database keeps users, permissions and keys. Default: SQLite in the file
	// dockit.sqlite in Caddy's data directory.
	Database *Database `json:"database,omitempty"`

	// PKI says where the keys come from that sign tokens. Default: Dockit
	// makes and keeps its own.
	PKI *PKI `json:"pki,omitempty"`

	// TokenTTL is how long a token is valid, at least 1m, for services that do
	// not say otherwise. Default: 5m.
	TokenTTL caddy.Duration `json:"token_ttl,omitempty"`

	// SharedTokens is false to sign a token for each request. By default, who
	// asks within a second for the very same, as a fleet does that pulls an
	// image, gets the very same token.
	SharedTokens *bool `json:"shared_tokens,omitempty"`

	// CORSOrigins are the origins of pages that may ask for tokens from a
	// browser, with credentials, as https://ui.example.com. Default: none.
	CORSOrigins []string `json:"cors_origins,omitempty"`

	// ServeStale is how long tokens are issued from memory while the database
	// does not answer, at most 7d; negative for not at all. What is revoked on
	// another node meanwhile counts when that is over. Default: 1h.
	ServeStale caddy.Duration `json:"serve_stale,omitempty"`

	// RefreshTokens are what docker login may store instead of a password.
	// Default: off.
	RefreshTokens *RefreshTokens `json:"refresh_tokens,omitempty"`

	// AccessTokens limits the long-lived secrets of users and robots.
	AccessTokens *AccessTokens `json:"access_tokens,omitempty"`

	// Passwords says which passwords people may choose.
	Passwords *Passwords `json:"passwords,omitempty"`

	// Lockout says what happens to who guesses passwords.
	Lockout *Lockout `json:"lockout,omitempty"`

	// Audit says how long it is kept who changed what. Default: for ever.
	Audit *Audit `json:"audit,omitempty"`

	// Limits bound what one subject, and one state document, can cost.
	Limits *Limits `json:"limits,omitempty"`

	// RootUser is an admin that exists after the start. Without it, and
	// without any admin in the database, the first start creates the user
	// admin with a random password and prints it once.
	RootUser *RootUser `json:"root_user,omitempty"`

	ctx    caddy.Context
	logger *zap.Logger
	stdout io.Writer

	announcer *announcer // or nil
	// publicURL is where clients reach the token endpoint, empty when the
	// configuration does not tell.
	publicURL string
	// pageURL is where people find the page, empty when nothing serves it.
	pageURL string

	// http is the HTTP app around the handlers, nil without any.
	http *caddyhttp.App

	// What Provision reads of the configuration, with placeholders replaced.
	store     store.Config
	keys      keySource
	endpoints handlers.Config
	refused   *password.Rules
	root      firstadmin.User
	bounds    Limits

	// What Start makes. Others look at it once started is closed.
	started  chan struct{}
	serving  bool // Start went well
	database *database
	ring     *keyRing
	keeper   *retention.Keeper
	views    registryViews
	server   *handlers.Server
	proxies  proxyWarnings
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "dockit",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision reads and checks the configuration, and leaves no trace: validating a
// configuration does the same. Errors that only the database shows come with the
// start.
func (a *App) Provision(ctx caddy.Context) (err error) {
	a.ctx = ctx
	a.logger = ctx.Logger()
	a.stdout = os.Stdout
	a.started = make(chan struct{})
	if err := a.setDefaults(); err != nil {
		return err
	}
	if err := a.authOptions().Validate(); err != nil {
		return err
	}
	if a.keys, err = a.PKI.source(a.Services); err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	if a.refused, err = a.passwordRules(); err != nil {
		return err
	}
	a.endpoints = handlers.Config{
		Issuer:   a.Issuer,
		Services: handlerServices(a.Services),
		Metrics:  requestMetrics,
		Logger:   a.logger,

		SharedTokens: a.SharedTokens == nil || *a.SharedTokens,
		CORSOrigins:  a.CORSOrigins,
	}
	if err := a.endpoints.Validate(); err != nil {
		return err
	}
	if a.store, err = a.Database.config(); err != nil {
		return err
	}
	if err := checkDatabase(ctx, a.store); err != nil {
		return err
	}
	if around, found := surroundingsOf(ctx); found {
		if a.announcer, err = newAnnouncer(ctx); err != nil {
			return err
		}
		a.publicURL, a.pageURL = publicURL(around.http), pageURL(around.http)
		a.warnOfAdminEndpoint(around)
		a.warnOfAuthenticationBefore(around)
	}
	return registerMetrics(ctx)
}

// setDefaults fills in what the configuration leaves out, and replaces
// placeholders.
func (a *App) setDefaults() (err error) {
	if a.Issuer, err = expand("issuer", a.Issuer); err != nil {
		return err
	}
	if a.Issuer == "" {
		a.Issuer = DefaultIssuer
	}
	if a.TokenTTL == 0 {
		a.TokenTTL = caddy.Duration(DefaultTokenTTL)
	}
	if err := settings.CheckTokenTTL("token_ttl", time.Duration(a.TokenTTL)); err != nil {
		return err
	}
	if len(a.Services) == 0 {
		a.Services = []*Service{{Name: DefaultService}}
	}
	for _, s := range a.Services {
		if err := s.setDefaults(a.TokenTTL); err != nil {
			return err
		}
	}
	for i, origin := range a.CORSOrigins {
		if a.CORSOrigins[i], err = expand("cors_origin", origin); err != nil {
			return err
		}
		if err := handlers.ValidateOrigin(a.CORSOrigins[i]); err != nil {
			return fmt.Errorf("cors_origin: %w", err)
		}
	}
	if err := settings.CheckAuditKeep("audit keep", a.auditKeep()); err != nil {
		return err
	}
	if a.bounds, err = a.limits(); err != nil {
		return err
	}
	if a.Database == nil {
		a.Database = new(Database)
	}
	if a.PKI == nil {
		a.PKI = new(PKI)
	}
	if a.RootUser != nil {
		a.root, err = a.RootUser.expanded()
	}
	return err
}

// Start opens and migrates the database, makes keys on an empty one, and makes
// sure that an administrator can log in to the admin API.
func (a *App) Start() error {
	defer close(a.started)
	if err := a.open(a.ctx); err != nil {
		return err
	}
	first, err := firstadmin.Ensure(a.ctx, a.database.store, a.root, a.stdout, a.logger)
	if err != nil {
		return err
	}
	if first != "" {
		a.tellNextSteps(first)
	}
	a.database.store.SetMaxPermissions(a.bounds.Permissions)
	a.serving = true
	return nil
}

// open makes what the endpoints stand on. What it made before an error is for
// Cleanup.
func (a *App) open(ctx context.Context) (err error) {
	if a.database, err = useDatabase(ctx, a.store); err != nil {
		return err
	}
	authenticator, err := a.database.auth.With(a.authOptions())
	databaseMetrics.Add(a.database.store, a.database.directory, cmp.Or(authenticator, a.database.auth)) // Cleanup removes it either way
	if err != nil {
		return err
	}
	if a.ring, err = a.useRing(ctx, authenticator.Options().ServeStale); err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	a.keeper = retention.Start(a.database.store, a.ring.Ring, a.auditKeep(), a.logger.Named("audit"))
	administration, err := admin.New(admin.Config{
		Store:     a.database.store,
		Auth:      authenticator,
		Ring:      a.ring.Ring,
		Refusals:  a.database.refusals,
		Issuer:    a.Issuer,
		Services:  a.endpoints.Services,
		Logger:    a.logger.Named("admin"),
		Version:   version.Read().Version,
		Passwords: a.refused,
		MaxState:  a.bounds.StateSize,
	})
	if err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	config := a.endpoints
	config.Store, config.Ring, config.Auth, config.Admin = a.database.store, a.ring.Ring, authenticator, administration
	if config.Page, err = a.newPage(administration, authenticator); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	a.server, err = handlers.New(config)
	return err
}

// acquire takes a lease of the database for one request, which must release
// it. There is none before the start, after one that failed, and when the
// configuration was replaced.
func (a *App) acquire() bool {
	select {
	case <-a.started:
		return a.serving && a.database.acquire()
	default:
		return false
	}
}

// awaitStart waits until the app has started. Caddy starts apps in no given
// order, so that requests may come before.
func (a *App) awaitStart(ctx context.Context) error {
	select {
	case <-a.started:
		return nil
	default: // both may be true, and then this one counts
	}
	select {
	case <-a.started:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("dockit has not started yet: %w", ctx.Err())
	}
}

// Stop does nothing: requests in flight still need everything. What they use
// is let go of in Cleanup, and closed when the last of them is answered.
func (*App) Stop() error { return nil }

// Cleanup lets go of what Start made, as far as it came. Caddy calls it for
// apps that never started, too.
func (a *App) Cleanup() error {
	if a.http != nil {
		handovers.Delete(a.http)
	}
	if a.keeper != nil {
		a.keeper.Close()
	}
	a.views.close()
	if a.ring != nil {
		a.ring.leave(a)
	}
	if a.database == nil {
		return nil
	}
	databaseMetrics.Remove(a.database.store)
	return a.database.leave()
}

// errAppMissing is returned for a handler without the app it belongs to.
var errAppMissing = errors.New("the dockit handler needs the dockit app: add a block `dockit { … }` to the global options")

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
