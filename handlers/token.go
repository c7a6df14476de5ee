package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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
	service *servedService // nil when it is unknown
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
	// exchange is set for what is no request for a registry token.
	exchange bool
	// revoke is set for what shall end a token.
	revoke bool
}

// refusal is an error that the client gets to see.
type refusal struct {
	status  int
	code    string
	message string
	outcome string
	// cause is what the metrics call it.
	cause string
	// reason is what the log says instead of the message. Default: the message.
	reason string
}

func (e *refusal) Error() string { return e.message }

func invalidRequest(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, code: errorInvalidRequest, message: fmt.Sprintf(format, args...), outcome: outcomeInvalid, cause: causeInvalid}
}

func unauthorized(cause, message string) error {
	return &refusal{status: http.StatusUnauthorized, code: errorInvalidGrant, message: message, outcome: outcomeUnauthorized, cause: cause}
}

// serveToken answers GET and POST with a registry token, as the distribution
// project's specifications of token authentication and OAuth 2 say. What is not
// permitted is left out of the token; it is never an error.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	var (
		request  tokenRequest
		answered bool
		err      error
	)
	switch r.Method {
	case http.MethodGet:
		request, err = s.parseTokenQuery(r)
	case http.MethodPost:
		if request, answered, err = s.fromTokenForm(w, r, began); answered {
			return
		}
	default:
		w.Header().Set("Allow", "GET, POST")
		err = &refusal{status: http.StatusMethodNotAllowed, code: errorInvalidRequest, message: "registry tokens are issued to GET and POST", outcome: outcomeInvalid, cause: causeInvalid}
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
		s.log.refused(r, &event, told)
		s.config.Metrics.tokenRefused(request, told, event.took)
		return
	}
	response.write(w)
	event.took = time.Since(began)
	s.log.issued(r, &event)
	s.config.Metrics.tokenRequest(request, outcomeIssued, event.took)
}

// parseTokenQuery reads a request by GET. The parameter account is not read:
// who asks is who the credentials say.
func (s *Server) parseTokenQuery(r *http.Request) (tokenRequest, error) {
	query, err := parseParameters(r.URL.RawQuery)
	if err != nil {
		return tokenRequest{}, invalidRequest("malformed query: %v", err)
	}
	request := tokenRequest{offline: query.first("offline_token") == "true", client: query.first("client_id")}
	if err := s.parseResources(&request, query); err != nil {
		return request, err
	}
	request.credentials, err = credentialsOf(r)
	if err != nil {
		return request, unauthorized(causeCredentials, err.Error())
	}
	return request, nil
}

// parseResources reads what a token is asked for.
func (s *Server) parseResources(request *tokenRequest, given parameters) (err error) {
	request.sent = given.first("service")
	if request.service, err = s.serviceOf(request.sent, given.count("service")); err != nil {
		return err
	}
	scopes := given.all("scope")
	request.scopes, err = access.ParseScopes(scopes)
	if err != nil {
		return invalidRequest("%v", err)
	}
	request.login = !slices.ContainsFunc(scopes, func(scope string) bool { return strings.TrimSpace(scope) != "" })
	return nil
}

// serviceName is empty when the service is unknown.
func (r tokenRequest) serviceName() string {
	if r.service == nil {
		return ""
	}
	return r.service.Name
}

func (s *Server) serviceOf(name string, times int) (*servedService, error) {
	if times == 1 {
		if service, ok := s.services[name]; ok {
			return service, nil
		}
	}
	switch {
	case name == "":
		return nil, s.hinting(invalidRequest("the parameter service is missing: set REGISTRY_AUTH_TOKEN_SERVICE at the registry to the name of a service of Dockit"))
	case times > 1:
		return nil, invalidRequest("the parameter service is given %d times: give it once", times)
	}
	return nil, s.unknownService(name)
}

func (s *Server) unknownService(name string) error {
	unknown := invalidRequest("unknown service %q: configure it in Dockit (--service, or service in a Caddyfile), "+
		"or set REGISTRY_AUTH_TOKEN_SERVICE at the registry to the name that it has there", printable.Clip(name))
	unknown.cause = causeUnknownService
	return s.hinting(unknown)
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
	principal, rights, err := s.identify(ctx, request)
	if err != nil {
		return tokenResponse{}, err
	}
	name := principal.Ref.Name
	granted := grant(request, request.scopes, rights.With(principal.Values))
	if len(principal.Scopes) > 0 {
		narrow := principal.Narrow
		if narrow == nil {
			narrow = access.NewRights(name, principal.Scopes)
		}
		granted = grant(request, granted, narrow.With(principal.Values))
	}
	if principal.Bound != nil {
		granted = grant(request, granted, principal.Bound.With(principal.Values))
	}
	refreshToken := request.credentials.refreshToken
	if request.offline && refreshToken == "" {
		if refreshToken, err = s.config.Auth.IssueRefreshToken(ctx, principal, request.service.Name); err != nil {
			return tokenResponse{}, err
		}
		s.startedBy(principal, refreshToken)
	}
	key, err := s.config.Ring.SigningKey(request.service.Name)
	if err != nil {
		return tokenResponse{}, fmt.Errorf("sign for service %q: %w", request.service.Name, err)
	}
	issued, err := request.service.tokens.Issue(key, token.Request{Subject: name, Access: granted, Now: s.config.Store.Now()})
	if err != nil {
		return tokenResponse{}, fmt.Errorf("sign for service %q: %w", request.service.Name, err)
	}
	event.subject, event.granted, event.keyID = name, granted, key.ID
	return tokenResponse{Issued: issued, refreshToken: refreshToken, oauth: request.oauth, granted: granted}, nil
}

// grant returns what of the scopes the rights allow.
func grant(request tokenRequest, scopes []access.Scope, rights *access.Rights) []access.Scope {
	if request.service.Profile == token.ProfileZot {
		return rights.GrantZot(scopes)
	}
	return rights.Grant(scopes)
}

// identify finds out who asks, and what that subject may do. The principal is
// empty for an anonymous request.
func (s *Server) identify(ctx context.Context, request tokenRequest) (auth.Principal, *access.Rights, error) {
	if !request.credentials.given {
		if request.login {
			return auth.Principal{}, nil, unauthorized(causeNoCredentials, "log in with a username and a password")
		}
		rights, err := s.config.Auth.Cache().AnonymousRights(ctx)
		return auth.Principal{}, rights, err
	}
	principal, err := s.authenticate(ctx, request)
	if err != nil {
		return auth.Principal{}, nil, err
	}
	rights, err := s.config.Auth.Cache().Rights(ctx, principal.ID, principal.Ref)
	return principal, rights, err
}

// refreshTokenInvalid is what people see who logged in with docker some time ago.
const refreshTokenInvalid = "the refresh token is not valid any more: log in again"

func (s *Server) authenticate(ctx context.Context, request tokenRequest) (auth.Principal, error) {
	given := request.credentials
	if given.refreshToken == "" {
		principal, err := s.config.Auth.AuthenticateAt(ctx, request.service.Name, given.username, given.password)
		if token, noToken := opaque.Parse(given.password); noToken == nil && token.Kind() == opaque.Refresh && errors.Is(err, auth.ErrInvalidCredentials) {
			return principal, unauthorized(causeRefreshToken, refreshTokenInvalid)
		}
		return principal, err
	}
	principal, err := s.config.Auth.Refresh(ctx, request.service.Name, given.refreshToken)
	if errors.Is(err, auth.ErrRefreshTokensOff) {
		// Who asks has a token from when they were on, or of a job's session that
		// has ended. containerd tries another way on 400, and docker shows the
		// message.
		return principal, &refusal{
			status: http.StatusBadRequest, code: errorInvalidGrant,
			message: fmt.Sprintf("what docker login stored is not valid any more: log in again (the grant type %q is switched off here but for CI jobs)", grantRefresh),
			outcome: outcomeUnauthorized, cause: causeRefreshToken,
		}
	}
	if errors.Is(err, auth.ErrInvalidCredentials) {
		// RFC 6749 section 5.2, and what clients fall back on.
		return principal, &refusal{
			status: http.StatusBadRequest, code: errorInvalidGrant, message: refreshTokenInvalid, outcome: outcomeUnauthorized, cause: causeRefreshToken,
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
		badToken  *auth.IssuerTokenError
	)
	switch {
	case errors.As(err, &told):
	case errors.As(err, &badToken):
		told = &refusal{status: http.StatusUnauthorized, code: errorInvalidGrant, message: badToken.Error(), outcome: outcomeUnauthorized, cause: causeIssuerToken}
		if badToken.Throttled {
			told.outcome, told.cause = outcomeThrottled, causeForgeries
		}
	case errors.As(err, &throttled):
		// Not 429: containerd does not fall back on it, and skopeo and oras
		// would try the same password again and again.
		told = &refusal{status: http.StatusUnauthorized, code: errorInvalidGrant, message: throttled.Error(), outcome: outcomeThrottled, cause: causeThrottled}
	case errors.Is(err, auth.ErrInvalidCredentials):
		told = &refusal{status: http.StatusUnauthorized, code: errorInvalidGrant, message: auth.ErrInvalidCredentials.Error(), outcome: outcomeUnauthorized, cause: causeCredentials}
	case errors.Is(err, auth.ErrBusy):
		w.Header().Set("Retry-After", "5")
		told = &refusal{status: http.StatusServiceUnavailable, code: errorUnavailable, message: "too many logins at once: try again in a few seconds", outcome: outcomeBusy, cause: causeBusy}
	case errors.Is(err, cache.ErrUnavailable):
		w.Header().Set("Retry-After", "5")
		s.config.Logger.Debug("cannot issue a token", zap.Error(err))
		told = &refusal{status: http.StatusServiceUnavailable, code: errorUnavailable, message: "the database does not answer, and these credentials cannot be checked without it: try again in a moment", outcome: outcomeAway, cause: causeDatabaseAway}
	case errors.Is(err, context.Canceled), errors.Is(ctx.Err(), context.Canceled):
		told = &refusal{status: StatusClientClosed, code: errorUnavailable, message: "the request was cancelled", outcome: outcomeFailed, cause: causeClientGone}
	case store.Hint(err) != "", errors.Is(err, store.ErrUnknownOutcome):
		w.Header().Set("Retry-After", "5")
		s.config.Logger.Error("cannot issue a token", zap.Error(err), hintField(err))
		told = &refusal{status: http.StatusServiceUnavailable, code: errorUnavailable, message: "the database takes no changes now, without which there is no refresh token: try again in a moment; the log of Dockit says more", outcome: outcomeFailed, cause: causeDatabaseUnwritable}
	default:
		s.config.Logger.Error("cannot issue a token", zap.Error(err), hintField(err))
		told = &refusal{status: http.StatusInternalServerError, code: errorServer, message: "cannot issue a token: see the log of Dockit", outcome: outcomeFailed, cause: causeInternal}
	}
	writeError(w, told.status, told.code, told.message)
	return told
}
