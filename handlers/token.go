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
	"github.com/dockit-registry/dockit/auth"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/token"
)

// tokenRequest is what a client asks for.
type tokenRequest struct {
	service Service
	scopes  []access.Scope
	// login is set when no scope was asked for: the client only wants to know
	// whether its credentials are right.
	login       bool
	credentials credentials
}

// tokenResponse is the answer of the distribution specification; both fields
// hold the same token because clients read either.
type tokenResponse struct {
	Token       string    `json:"token"`
	AccessToken string    `json:"access_token"`
	ExpiresIn   int       `json:"expires_in"`
	IssuedAt    time.Time `json:"issued_at"`
}

// refusal is an error that the client is told about.
type refusal struct {
	status  int
	code    string
	message string
	outcome string
}

func (e *refusal) Error() string { return e.message }

func invalidRequest(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, errorInvalidRequest, fmt.Sprintf(format, args...), outcomeInvalid}
}

func unauthorized(message string) error {
	return &refusal{http.StatusUnauthorized, errorInvalidGrant, message, outcomeUnauthorized}
}

// serveToken answers GET with a registry token, as the distribution project's
// token authentication specification says. What is not permitted is left out
// of the token; it is never an error.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		writeError(w, http.StatusMethodNotAllowed, errorInvalidRequest, "registry tokens are issued to GET")
		return
	}
	request, err := s.parseTokenRequest(r)
	var response tokenResponse
	if err == nil {
		response, err = s.issue(r.Context(), request)
	}
	outcome := outcomeIssued
	if err != nil {
		outcome = s.refuse(w, err)
	} else {
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, http.StatusOK, response)
	}
	s.config.Metrics.tokenRequest(request.service.Name, outcome, time.Since(began))
}

// parseTokenRequest reads the query. The parameter account is not read: who
// asks is who the credentials say.
func (s *Server) parseTokenRequest(r *http.Request) (tokenRequest, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return tokenRequest{}, invalidRequest("malformed query: %v", err)
	}
	var request tokenRequest
	if request.service, err = s.serviceOf(query["service"]); err != nil {
		return request, err
	}
	request.scopes, err = access.ParseScopes(query["scope"])
	if err != nil {
		return request, invalidRequest("%v", err)
	}
	request.login = strings.TrimSpace(strings.Join(query["scope"], "")) == ""
	request.credentials, err = credentialsOf(r)
	if err != nil {
		return request, unauthorized(err.Error())
	}
	return request, nil
}

func (s *Server) serviceOf(values []string) (Service, error) {
	if len(values) == 1 {
		if service, ok := s.services[values[0]]; ok {
			return service, nil
		}
	}
	switch {
	case len(values) == 0 || values[0] == "":
		return Service{}, invalidRequest("the parameter service is missing: set REGISTRY_AUTH_TOKEN_SERVICE at the registry to %s", s.serviceChoice())
	case len(values) > 1:
		return Service{}, invalidRequest("the parameter service is given %d times: give it once", len(values))
	}
	return Service{}, s.unknownService(values[0])
}

func (s *Server) unknownService(name string) error {
	const shown = 64
	if len(name) > shown {
		name = name[:shown] + "…"
	}
	return invalidRequest("unknown service %q: configure it in Dockit, or set REGISTRY_AUTH_TOKEN_SERVICE at the registry to %s", name, s.serviceChoice())
}

func (s *Server) serviceChoice() string { return strings.Join(s.serviceNames(), " or ") }

func (s *Server) issue(ctx context.Context, request tokenRequest) (tokenResponse, error) {
	name, permissions, err := s.identify(ctx, request)
	if err != nil {
		return tokenResponse{}, err
	}
	rights := access.NewRights(name, permissions)
	granted := rights.Grant(request.scopes)
	if request.service.Profile == token.ProfileZot {
		granted = rights.GrantZot(request.scopes)
	}
	key, err := s.config.Ring.SigningKey(request.service.Name)
	if err != nil {
		return tokenResponse{}, fmt.Errorf("sign for service %q: %w", request.service.Name, err)
	}
	issued, err := token.Issue(key, token.Request{
		Issuer: s.config.Issuer, Service: request.service.Name, Profile: request.service.Profile,
		Subject: name, Access: granted, TTL: request.service.TokenTTL,
	})
	if err != nil {
		return tokenResponse{}, fmt.Errorf("sign for service %q: %w", request.service.Name, err)
	}
	s.config.Logger.Debug("issued token",
		zap.String("subject", name), zap.String("service", request.service.Name), zap.Int("asked", len(request.scopes)), zap.Int("granted", len(granted)))
	return tokenResponse{Token: issued.Token, AccessToken: issued.Token, ExpiresIn: issued.ExpiresIn, IssuedAt: issued.IssuedAt}, nil
}

// identify finds out who asks, and what that subject may do. The name is empty
// for an anonymous request.
func (s *Server) identify(ctx context.Context, request tokenRequest) (string, []access.Permission, error) {
	if !request.credentials.given {
		if request.login {
			return "", nil, unauthorized("log in with a username and a password")
		}
		effective, err := s.config.Store.AnonymousPermissions(ctx)
		return "", permissionsOf(effective), err
	}
	principal, err := s.config.Auth.Authenticate(ctx, request.credentials.username, request.credentials.password)
	if err != nil {
		return "", nil, err
	}
	effective, err := s.config.Store.EffectivePermissionsByID(ctx, principal.ID, principal.Ref)
	return principal.Ref.Name, permissionsOf(effective), err
}

func permissionsOf(effective []store.Effective) []access.Permission {
	permissions := make([]access.Permission, len(effective))
	for i, e := range effective {
		permissions[i] = e.Permission
	}
	return permissions
}

// refuse answers with what went wrong and returns the outcome for the metrics.
func (s *Server) refuse(w http.ResponseWriter, err error) string {
	var told *refusal
	switch {
	case errors.As(err, &told):
	case errors.Is(err, auth.ErrInvalidCredentials):
		told = &refusal{http.StatusUnauthorized, errorInvalidGrant, auth.ErrInvalidCredentials.Error(), outcomeUnauthorized}
	case errors.Is(err, auth.ErrBusy):
		w.Header().Set("Retry-After", "5")
		told = &refusal{http.StatusServiceUnavailable, errorUnavailable, "too many logins at once: try again in a few seconds", outcomeBusy}
	case errors.Is(err, context.Canceled):
		told = &refusal{http.StatusServiceUnavailable, errorUnavailable, "the request was cancelled", outcomeFailed}
	default:
		s.config.Logger.Error("cannot issue a token", zap.Error(err))
		told = &refusal{http.StatusInternalServerError, errorServer, "cannot issue a token: see the log of Dockit", outcomeFailed}
	}
	writeError(w, told.status, told.code, told.message)
	return told.outcome
}
