// Package frame is what every page has in common: who looks, by a session that began with
// a password; the policies that go with every answer; the layout; and the admin API, asked
// with the rights of who looks.
package frame

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/handlers/limit"
	"github.com/dockit-registry/dockit/internal/auth"
)

// Root is what every page stands below.
const Root = "/dockit/"

// Config is what every page needs. Everything is needed but Registries, Logger and Version.
type Config struct {
	// API is the admin API.
	API http.Handler
	// LogIn proves a person by a name and a password, through the guard, the queue and
	// the audit of the admin API.
	LogIn func(r *http.Request, username, password string) (auth.Principal, *adminapi.Problem)
	// Sessions keep who signed in.
	Sessions Sessions
	// Services are the registries that tokens are issued for.
	Services []handlers.Service
	// Registries are those of services of which it is known where they are, or what
	// clients name them by.
	Registries map[string]Registry
	// Now is the time that sessions go by.
	Now func() time.Time
	// Logger gets who signs in, and the errors that people do not get to see.
	Logger *zap.Logger
	// Version is shown at the end of each page.
	Version string
}

// Sessions are those of an [auth.Authenticator].
type Sessions interface {
	BeginPageSession(ctx context.Context, p auth.Principal) (secret string, session auth.PageSession, err error)
	ByPageSession(ctx context.Context, secret string) (auth.Principal, error)
	ProvePageSession(ctx context.Context, p, proof auth.Principal) error
	EndPageSession(ctx context.Context, p auth.Principal) error
}

// Handler answers every path below [Root] but those of the admin API, and leads there
// from Root without its slash. It has the pages
// of everybody's sessions and password; rooms add theirs before it is used.
type Handler struct {
	Config

	mux     *http.ServeMux
	rooms   []Templates
	proofs  []proof
	guarded http.Handler
	// bodies are the largest bodies, in bytes, by the pattern of a route.
	bodies map[string]int64
}

// New makes a handler, or says what the configuration lacks.
func New(config Config) (*Handler, error) {
	if config.API == nil || config.LogIn == nil || config.Sessions == nil || config.Now == nil {
		return nil, errors.New("page: the admin API, logins, sessions and a clock are needed")
	}
	if config.Logger == nil {
		config.Logger = zap.NewNop()
	}
	h := &Handler{Config: config, mux: http.NewServeMux(), rooms: []Templates{own}, bodies: map[string]int64{}}
	h.proofs = []proof{passwordProof{h}}
	h.routes()
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(h.denyCrossOrigin))
	h.guarded = protection.Handler(http.HandlerFunc(h.serveRoute))
	return h, nil
}

// What one request may cost.
const (
	// MaxForm is the largest form, in bytes, that is none of [Handler.AdminUpload].
	MaxForm      = 64 << 10
	maxURL       = 8 << 10
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	// uploadTimeout is for a state document, in both directions.
	uploadTimeout = 5 * time.Minute
)

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setPolicies(w.Header())
	_, pattern := h.mux.Handler(r)
	l := limit.Limits{Body: MaxForm, Read: readTimeout, Write: writeTimeout}
	if larger, found := h.bodies[pattern]; found {
		l.Body = larger
	}
	defer limit.Apply(w, r, l)()
	if len(r.URL.Path)+len(r.URL.RawQuery) > maxURL {
		h.fail(h.NewVisit(w, r), Refusal(http.StatusRequestURITooLong, adminapi.CodeInvalid, "the address is longer than 8 KB"))
		return
	}
	if !isHost(r.Host) {
		h.fail(h.NewVisit(w, r), Refusal(http.StatusMisdirectedRequest, adminapi.CodeInvalid, "the host in the address has characters that names of hosts do not have: write the name of the server"))
		return
	}
	h.guarded.ServeHTTP(w, r)
}

// isHost reports whether a request names a host as others do, with or without a port.
// Browsers and servers take more than that, such as $ and ;, which would stand in the
// lines that people copy into a shell.
func isHost(host string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"
	return host != "" && strings.Trim(host, plain) == ""
}

// serveRoute finds the page. The mux by itself would redirect to a path that it finds
// cleaner, and answer in plain text.
func (h *Handler) serveRoute(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path+"/" == Root {
		w.Header().Set("Location", (&url.URL{Path: Root, RawQuery: r.URL.RawQuery}).String())
		w.WriteHeader(http.StatusPermanentRedirect) // with the same method
		return
	}
	_, pattern := h.mux.Handler(r)
	if pattern == "" || path.Clean(r.URL.Path) != r.URL.Path && r.URL.Path != Root {
		h.serve(w, r, h.nothingHere)
		return
	}
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) denyCrossOrigin(w http.ResponseWriter, r *http.Request) {
	h.fail(h.NewVisit(w, r), Refusal(http.StatusForbidden, adminapi.CodeForbidden, "the request comes from another site: open the page itself, and do it there"))
}
