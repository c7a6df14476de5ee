package handlers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/idtoken"
)

// Outcomes of a revocation that nothing else has.
const (
	outcomeEnded       = "ended"
	outcomeUnknown     = "unknown"
	outcomeUnsupported = "unsupported"
)

// serveRevoke ends a token of who sends it, as RFC 7009 says. To have it is all that
// is asked for: a job that is over has nothing else.
func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeError(w, http.StatusMethodNotAllowed, errorInvalidRequest, "tokens are revoked by POST")
		s.config.Metrics.revocation(outcomeInvalid)
		return
	}
	began := time.Now()
	event := tokenEvent{request: tokenRequest{revoke: true}}
	event.request.credentials.given = true
	form, err := readForm(r)
	if err == nil {
		if client := form.first("client_id"); client != "" {
			r = fromClient(r, client)
		}
		err = s.revoke(r, form, &event)
	}
	event.took = time.Since(began)
	switch {
	case err == nil, errors.Is(err, auth.ErrUnknownToken):
		// Section 2.2: it is not good any more, which is what was asked for.
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
		if err != nil {
			s.config.Metrics.revocation(outcomeUnknown)
			return
		}
		s.config.Metrics.revocation(outcomeEnded)
		s.log.revoked(r, &event)
	default:
		told := s.refuse(r.Context(), w, s.revocationRefused(w, err))
		s.config.Metrics.revocation(told.outcome)
		s.log.refused(r, &event, told)
	}
}

func (s *Server) revoke(r *http.Request, form parameters, event *tokenEvent) error {
	// The hint is for servers that would have to look in several places.
	for _, name := range []string{"token", "token_type_hint"} {
		if n := form.count(name); n > 1 {
			return invalidRequest("the parameter %s is given %d times: give it once", name, n)
		}
	}
	token := form.first("token")
	if token == "" {
		return invalidRequest("the parameter token is missing: it is what shall not be good any more")
	}
	if idtoken.IsCompact(token) && idtoken.Issuer(token) == s.config.Issuer {
		return notRevocable("a registry token cannot be revoked: it ends by itself within minutes")
	}
	err := s.config.Auth.Revoke(auth.WithAttempt(r.Context(), &event.attempt), token)
	if errors.Is(err, auth.ErrNotRevocable) {
		return notRevocable("the access token of a user or robot is not revoked by who has it: an admin or its owner does that (rbac token revoke ID)")
	}
	return err
}

func notRevocable(message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: errorUnsupportedToken, message: message, outcome: outcomeUnsupported, cause: causeInvalid}
}

// revocationRefused is what of an error the client gets to see: it has to try again
// (RFC 7009 section 2.2.1).
func (s *Server) revocationRefused(w http.ResponseWriter, err error) error {
	if _, told := errors.AsType[*refusal](err); told || errors.Is(err, context.Canceled) {
		return err
	}
	r := &refusal{
		status: http.StatusServiceUnavailable, code: errorUnavailable, outcome: outcomeAway, cause: causeDatabaseAway,
		message: "the database takes no changes now: the token is still good; try again in a moment",
	}
	w.Header().Set("Retry-After", "5")
	if !errors.Is(err, cache.ErrUnavailable) {
		s.config.Logger.Error("cannot revoke a token", zap.Error(err), hintField(err))
		r.outcome, r.cause = outcomeFailed, causeDatabaseUnwritable
	}
	return r
}
