// Package admin answers the admin API: it manages users, robots, groups,
// memberships, permissions and the keys that sign tokens over HTTP.
//
// One definition of each operation gives its route, the validation of what is
// sent and its part of the OpenAPI document. Everything, the document
// included, is for admins only, but what users may do for themselves: set their
// password, list, make and revoke their own tokens, and see what they may do.
package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// Config is what the admin API is made of.
type Config struct {
	Store *store.Store
	Auth  Authenticator
	// Ring holds the keys that sign tokens.
	Ring *pki.Ring
	// Issuer is the name in every token.
	Issuer string
	// Services are the registries that tokens are issued for.
	Services []handlers.Service
	// Refusals counts what is refused, for the audit. It is needed.
	Refusals *Refusals
	// Logger gets refused logins, and the errors that the caller does not get
	// to see.
	Logger *zap.Logger
	// Version is shown in the OpenAPI document.
	Version string
	// Passwords are the rules for new passwords. Default: those about length.
	Passwords *password.Rules
	// MaxState is the largest state document that is planned or applied, in
	// bytes. Default: [state.DefaultMaxSize].
	MaxState int64
}

func (c Config) maxState() int64 {
	if c.MaxState == 0 {
		return state.DefaultMaxSize
	}
	return c.MaxState
}

// Authenticator proves who asks and makes access tokens, as
// [auth.Authenticator] does.
type Authenticator interface {
	Authenticate(ctx context.Context, username, password string) (auth.Principal, error)
	CreateAccessToken(ctx context.Context, r auth.TokenRequest) (store.AccessToken, opaque.Token, error)
	RotateAccessToken(ctx context.Context, id string, grace time.Duration, expiresAt *time.Time) (store.AccessToken, opaque.Token, error)
	Lockouts(ctx context.Context) ([]auth.Lockout, error)
	ClearLockout(ctx context.Context, owner subject.Ref, network string) (int64, error)
}

// API answers every path below [adminapi.Prefix].
type API struct {
	config  Config
	openAPI *huma.OpenAPI
	handler http.Handler
	// hashing keeps admins from hashing many passwords at once: each takes
	// some 20 MB.
	hashing    chan struct{}
	states     statePlaces
	restraints restraints
}

// New makes the API.
func New(config Config) (*API, error) {
	if config.Logger == nil {
		config.Logger = zap.NewNop()
	}
	if config.Refusals == nil {
		return nil, errors.New("nothing counts refused requests: set Config.Refusals")
	}
	a := &API{config: config, hashing: make(chan struct{}, 1), states: newStatePlaces(), restraints: newRestraints()}
	mux := http.NewServeMux()
	api := humago.NewWithPrefix(mux, prefix, humaConfig(config.Version))
	a.openAPI = api.OpenAPI()
	a.registerSubjects(api)
	a.registerMembers(api)
	a.registerPermissions(api)
	a.registerDecisions(api)
	a.registerHolders(api)
	a.registerAudit(api)
	a.registerState(api)
	a.registerKeys(api)
	a.registerAccessTokens(api)
	a.registerRefreshTokens(api)
	a.registerLockouts(api)
	a.registerIssuers(api)
	a.registerBindings(api)
	a.registerSessions(api)
	if err := a.serveOpenAPI(mux); err != nil {
		return nil, err
	}
	a.handler = a.bounded(a.refuseCrossOrigin(a.authenticate(unhurried(onceEach(a.replicated(exactly(mux)))))))
	return a, nil
}

// prefix is [adminapi.Prefix] without the last slash, as routes are added to it.
const prefix = "/dockit/api/v1"

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	a.handler.ServeHTTP(w, r)
}

// refuseCrossOrigin keeps other sites from using the password that a browser
// remembers for this one.
func (a *API) refuseCrossOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, problem(http.StatusForbidden, adminapi.CodeForbidden, "the request comes from another site: use the admin API from its own origin, or not from a browser"))
	}))
	return protection.Handler(next)
}

// Interface guard.
var _ http.Handler = (*API)(nil)
