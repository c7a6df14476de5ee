package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/internal/token"
	"github.com/dockit-registry/dockit/store"
)

// tokenRequest is what a client asks for.
type tokenRequest struct {
	service Service
	// sent is what the registry gave as service, known or not.
	sent   string
	scopes []access.Scope
	// login is set when no scope was asked for: the client only wants to know
	// whether its credentials are right.
	login       bool
	credentials credentials
	// client is what the program calls itself, if it says so.
	client string
	// offline is set when a refresh token is asked for.
	offline bool
	// oauth is set for POST, whose answer says what was granted.
	oauth bool
}

// tokenResponse is the answer of the distribution specification; both fields
// hold the same token because clients read either.
type tokenResponse struct {
	Token        string    `json:"token"`
	AccessToken  string    `json:"access_token"`
	Scope        *string   `json:"scope,omitempty"`
	ExpiresIn    int       `json:"expires_in"`
	IssuedAt     time.Time `json:"issued_at"`
	RefreshToken string    `json:"refresh_token,omitempty"`
}

// refusal is an error that the client is told about.
type refusal struct {
	status  int
	code    string
	message string
	outcome string
	// reason is what the log says instead of the message. Default: the message.
	reason string
}

func (e *refusal) Error() string { return e.message }

func invalidRequest(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, code: errorInvalidRequest, message: fmt.Sprintf(format, args...), outcome: outcomeInvalid}
}

func unauthorized(message string) error {
	return &refusal{status: http.StatusUnauthorized, code: errorInvalidGrant, message: message, outcome: outcomeUnauthorized}
}

// serveToken answers GET and POST with a registry token, as the distribution
// project's specifications of token authentication and OAuth 2 say. What is not
// permitted is left out of the token; it is never an error.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	var (
		request tokenRequest
		err     error
	)
	switch r.Method {
	case http.MethodGet:
		request, err = s.parseTokenQuery(r)
	case http.MethodPost:
		request, err = s.parseTokenForm(r)
	default:
		w.Header().Set("Allow", "GET, POST")
		err = &refusal{status: http.StatusMethodNotAllowed, code: errorInvalidRequest, message: "registry tokens are issued to GET and POST", outcome: outcomeInvalid}
	}
	if request.client != "" {
		r = fromClient(r, request.client)
	}
	event := tokenEvent{request: request}
	var response tokenResponse
	if err == nil {
		response, err = s.issue(auth.WithAttempt(r.Context(), &event.attempt), request, &event)
	}
	if err != nil {
		told := s.refuse(r.Context(), w, err)
		event.took = time.Since(began)
		s.log.refused(r, event, told)
		s.config.Metrics.tokenRequest(request.service.Name, told.outcome, event.took)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, response)
	event.took = time.Since(began)
	s.log.issued(r, event)
	s.config.Metrics.tokenRequest(request.service.Name, outcomeIssued, event.took)
}

// parseTokenQuery reads a request by GET. The parameter account is not read:
// who asks is who the credentials say.
func (s *Server) parseTokenQuery(r *http.Request) (tokenRequest, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return tokenRequest{}, invalidRequest("malformed query: %v", err)
	}
	request := tokenRequest{offline: query.Get("offline_token") == "true", client: query.Get("client_id")}
	if err := s.parseResources(&request, query); err != nil {
		return request, err
	}
	request.credentials, err = credentialsOf(r)
	if err != nil {
		return request, unauthorized(err.Error())
	}
	return request, nil
}

// parseResources reads what a token is asked for.
func (s *Server) parseResources(request *tokenRequest, values url.Values) (err error) {
	if len(values["service"]) > 0 {
		request.sent = values["service"][0]
	}
	if request.service, err = s.serviceOf(values["service"]); err != nil {
		return err
	}
	request.scopes, err = access.ParseScopes(values["scope"])
	if err != nil {
		return invalidRequest("%v", err)
	}
	request.login = strings.TrimSpace(strings.Join(values["scope"], "")) == ""
	return nil
}

func (s *Server) serviceOf(values []string) (Service, error) {
	if len(values) == 1 {
		if service, ok := s.services[values[0]]; ok {
			return service, nil
		}
	}
	switch {
	case len(values) == 0 || values[0] == "":
		return Service{}, s.hinting(invalidRequest("the parameter service is missing: set REGISTRY_AUTH_TOKEN_SERVICE at the registry to the name of a service of Dockit"))
	case len(values) > 1:
		return Service{}, invalidRequest("the parameter service is given %d times: give it once", len(values))
	}
	return Service{}, s.unknownService(values[0])
}

func (s *Server) unknownService(name string) error {
	return s.hinting(invalidRequest("unknown service %q: configure it in Dockit (--service, or service in a Caddyfile), "+
		"or set REGISTRY_AUTH_TOKEN_SERVICE at the registry to the name that it has there", printable.Clip(name)))
}

// hinting has the log say which services there are. Who asks must not learn
// that: their names may be those of internal hosts.
func (s *Server) hinting(r *refusal) *refusal {
	const most = 1000
	r.reason = r.message + "; configured: " + printable.ClipTo(strings.Join(s.serviceNames(), ", "), most)
	return r
}

// issue makes the token, and notes in the event what came of it.
func (s *Server) issue(ctx context.Context, request tokenRequest, event *tokenEvent) (tokenResponse, error) {
	principal, permissions, err := s.identify(ctx, request)
	if err != nil {
		return tokenResponse{}, err
	}
	name := principal.Ref.Name
	granted := grant(request, request.scopes, name, permissions)
	if len(principal.Scopes) > 0 {
		granted = grant(request, granted, name, principal.Scopes)
	}
	refreshToken := request.credentials.refreshToken
	if request.offline && refreshToken == "" {
		if refreshToken, err = s.config.Auth.IssueRefreshToken(ctx, principal, request.service.Name); err != nil {
			return tokenResponse{}, err
		}
	}
	key, err := s.config.Ring.SigningKey(request.service.Name)
	if err != nil {
		return tokenResponse{}, fmt.Errorf("sign for service %q: %w", request.service.Name, err)
	}
	issued, err := token.Issue(key, token.Request{
		Issuer: s.config.Issuer, Service: request.service.Name, Profile: request.service.Profile,
		Subject: name, Access: granted, Now: s.config.Store.Now(), TTL: request.service.TokenTTL,
	})
	if err != nil {
		return tokenResponse{}, fmt.Errorf("sign for service %q: %w", request.service.Name, err)
	}
	event.subject, event.granted, event.keyID = name, granted, key.ID
	response := tokenResponse{
		Token: issued.Token, AccessToken: issued.Token, ExpiresIn: issued.ExpiresIn, IssuedAt: issued.IssuedAt, RefreshToken: refreshToken,
	}
	if request.oauth {
		scope := scopeText(granted)
		response.Scope = &scope
	}
	return response, nil
}

// grant returns what of the scopes the permissions allow.
func grant(request tokenRequest, scopes []access.Scope, username string, permissions []access.Permission) []access.Scope {
	rights := access.NewRights(username, permissions)
	if request.service.Profile == token.ProfileZot {
		return rights.GrantZot(scopes)
	}
	return rights.Grant(scopes)
}

func scopeText(scopes []access.Scope) string {
	texts := make([]string, len(scopes))
	for i, scope := range scopes {
		texts[i] = scope.String()
	}
	return strings.Join(texts, " ")
}

// identify finds out who asks, and what that subject may do. The principal is
// empty for an anonymous request.
func (s *Server) identify(ctx context.Context, request tokenRequest) (auth.Principal, []access.Permission, error) {
	if !request.credentials.given {
		if request.login {
			return auth.Principal{}, nil, unauthorized("log in with a username and a password")
		}
		permissions, err := s.config.Auth.Directory().AnonymousPermissions(ctx)
		return auth.Principal{}, permissions, err
	}
	principal, err := s.authenticate(ctx, request)
	if err != nil {
		return auth.Principal{}, nil, err
	}
	permissions, err := s.config.Auth.Directory().Permissions(ctx, principal.ID, principal.Ref)
	return principal, permissions, err
}

// refreshTokenInvalid is what people see who logged in with docker some time ago.
const refreshTokenInvalid = "the refresh token is not valid any more: log in again"

func (s *Server) authenticate(ctx context.Context, request tokenRequest) (auth.Principal, error) {
	given := request.credentials
	if given.refreshToken == "" {
		principal, err := s.config.Auth.AuthenticateAt(ctx, request.service.Name, given.username, given.password)
		if token, noToken := opaque.Parse(given.password); noToken == nil && token.Kind() == opaque.Refresh && errors.Is(err, auth.ErrInvalidCredentials) {
			return principal, unauthorized(refreshTokenInvalid)
		}
		return principal, err
	}
	principal, err := s.config.Auth.Refresh(ctx, request.service.Name, given.refreshToken)
	if errors.Is(err, auth.ErrInvalidCredentials) {
		// RFC 6749 section 5.2, and what clients fall back on.
		return principal, &refusal{
			status: http.StatusBadRequest, code: errorInvalidGrant, message: refreshTokenInvalid, outcome: outcomeUnauthorized,
		}
	}
	return principal, err
}

// refuse answers with what went wrong, and returns what it said. What goes wrong
// because the client left is no error for the log.
func (s *Server) refuse(ctx context.Context, w http.ResponseWriter, err error) *refusal {
	var (
		told      *refusal
		throttled *auth.ThrottledError
	)
	switch {
	case errors.As(err, &told):
	case errors.As(err, &throttled):
		// Not 429: containerd does not fall back on it, and skopeo and oras
		// would try the same password again and again.
		told = &refusal{status: http.StatusUnauthorized, code: errorInvalidGrant, message: throttled.Error(), outcome: outcomeThrottled}
	case errors.Is(err, auth.ErrInvalidCredentials):
		told = &refusal{status: http.StatusUnauthorized, code: errorInvalidGrant, message: auth.ErrInvalidCredentials.Error(), outcome: outcomeUnauthorized}
	case errors.Is(err, auth.ErrBusy):
		w.Header().Set("Retry-After", "5")
		told = &refusal{status: http.StatusServiceUnavailable, code: errorUnavailable, message: "too many logins at once: try again in a few seconds", outcome: outcomeBusy}
	case errors.Is(err, cache.ErrUnavailable):
		w.Header().Set("Retry-After", "5")
		s.config.Logger.Debug("cannot issue a token", zap.Error(err))
		told = &refusal{status: http.StatusServiceUnavailable, code: errorUnavailable, message: "the database does not answer, and these credentials cannot be checked without it: try again in a moment", outcome: outcomeAway}
	case errors.Is(err, context.Canceled), errors.Is(ctx.Err(), context.Canceled):
		told = &refusal{status: StatusClientClosed, code: errorUnavailable, message: "the request was cancelled", outcome: outcomeFailed}
	case store.Hint(err) != "", errors.Is(err, store.ErrUnknownOutcome):
		w.Header().Set("Retry-After", "5")
		s.config.Logger.Error("cannot issue a token", zap.Error(err), hintField(err))
		told = &refusal{status: http.StatusServiceUnavailable, code: errorUnavailable, message: "the database takes no changes now, without which there is no refresh token: try again in a moment; the log of Dockit says more", outcome: outcomeFailed}
	default:
		s.config.Logger.Error("cannot issue a token", zap.Error(err), hintField(err))
		told = &refusal{status: http.StatusInternalServerError, code: errorServer, message: "cannot issue a token: see the log of Dockit", outcome: outcomeFailed}
	}
	writeError(w, told.status, told.code, told.message)
	return told
}
