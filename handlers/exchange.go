package handlers

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/jsonstring"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// Names of RFC 8693.
//
//nolint:gosec // they hold no credentials
const (
	grantExchange   = "urn:ietf:params:oauth:grant-type:token-exchange"
	tokenTypePrefix = "urn:ietf:params:oauth:token-type:"
	typeJWT         = tokenTypePrefix + "jwt"
	typeIDToken     = tokenTypePrefix + "id_token"
	typeAccessToken = tokenTypePrefix + "access_token"
)

// serveExchange answers a token exchange of RFC 8693: for the token that an issuer
// signed for a job there is a password, which is good for as long as the binding says.
func (s *Server) serveExchange(w http.ResponseWriter, r *http.Request, form parameters, began time.Time) {
	event := tokenEvent{request: tokenRequest{sent: form.first("audience"), oauth: true, exchange: true, client: form.first("client_id")}}
	event.request.credentials.given = true
	if event.request.client != "" {
		r = fromClient(r, event.request.client)
	}
	var session auth.Session
	asked, err := s.parseExchange(form)
	if err == nil {
		event.request.service = s.services[asked.Service]
		session, err = s.config.Auth.Exchange(auth.WithAttempt(r.Context(), &event.attempt), asked)
		if err != nil {
			err = s.exchangeRefused(w, err)
		}
	}
	event.took = time.Since(began)
	if err != nil {
		told := s.refuse(r.Context(), w, err)
		s.log.refused(r, &event, told)
		s.config.Metrics.tokenRefused(event.request, told, event.took)
		return
	}
	s.writeExchanged(w, session, asked.Scopes)
	event.subject = session.Robot.Name
	s.log.exchanged(r, &event, session, asked.Scopes)
	s.config.Metrics.tokenRequest(event.request, outcomeIssued, event.took)
	s.config.Metrics.sessionStarted(session.Issuer, store.AccessSession)
}

// parseExchange reads what is asked for. What RFC 8693 has beside that and is not
// known here is refused: who sends it relies on it.
func (s *Server) parseExchange(form parameters) (asked auth.Exchange, err error) {
	for _, name := range []string{"grant_type", "subject_token", "subject_token_type", "requested_token_type"} {
		if n := form.count(name); n > 1 {
			return asked, invalidRequest("the parameter %s is given %d times: give it once", name, n)
		}
	}
	asked.Token = form.first("subject_token")
	switch kind := form.first("subject_token_type"); {
	case asked.Token == "":
		return asked, invalidRequest("the parameter subject_token is missing: it is the token that the issuer of the job signed")
	case kind != typeJWT && kind != typeIDToken:
		return asked, invalidRequest("subject_token_type is %q: it has to be %s or %s", printable.Clip(kind), typeJWT, typeIDToken)
	case form.count("actor_token")+form.count("actor_token_type") > 0:
		return asked, invalidRequest("an actor_token is not supported here: leave it out")
	}
	if kind := form.first("requested_token_type"); kind != "" && kind != typeAccessToken {
		return asked, invalidRequest("requested_token_type is %q: leave it out, or ask for %s", printable.Clip(kind), typeAccessToken)
	}
	if asked.Service, err = s.audienceOf(form); err != nil {
		return asked, err
	}
	if asked.Robot, err = robotOf(form); err != nil {
		return asked, err
	}
	for _, text := range form.all("scope") {
		for field := range strings.FieldsSeq(text) {
			p, err := access.ParsePermission(field)
			if err != nil {
				return asked, invalidRequest("scope: %v", err)
			}
			asked.Scopes = append(asked.Scopes, p)
		}
	}
	return asked, nil
}

func invalidTarget(format string, args ...any) *refusal {
	r := invalidRequest(format, args...)
	r.code = errorInvalidTarget
	return r
}

// audienceOf is the service that the token shall be for.
func (s *Server) audienceOf(form parameters) (string, error) {
	name := form.first("audience")
	_, known := s.services[name]
	switch {
	case name == "":
		return "", s.hinting(invalidRequest("the parameter audience is missing: it is the name of the service, which a registry has in the challenge that it answers GET /v2/ with"))
	case form.count("audience") > 1:
		return "", invalidTarget("the parameter audience is given %d times: a token is for one service", form.count("audience"))
	case !known:
		r := invalidTarget("unknown service %q: it is the one in the challenge that the registry answers GET /v2/ with", printable.Clip(name))
		r.cause = causeUnknownService
		return "", s.hinting(r)
	default:
		return name, nil
	}
}

// robotOf is the name of the robot that is meant, empty without one. RFC 8693 wants a
// URI there, which robot:ci is.
func robotOf(form parameters) (string, error) {
	name := strings.TrimPrefix(form.first("resource"), string(subject.Robot)+":")
	switch times := form.count("resource"); {
	case times == 0:
		return "", nil
	case times > 1:
		return "", invalidTarget("the parameter resource is given %d times: a token is for one robot", times)
	case subject.ValidateName(subject.FoldName(name)) != nil:
		return "", invalidTarget("the parameter resource is %q: it is the name of a robot, such as ci", printable.Clip(form.first("resource")))
	default:
		return name, nil
	}
}

// exchangeRefused is what of an error the client gets to see.
func (s *Server) exchangeRefused(w http.ResponseWriter, err error) error {
	if badToken, ok := errors.AsType[*auth.IssuerTokenError](err); ok {
		r := &refusal{status: http.StatusBadRequest, code: errorInvalidRequest, message: badToken.Error(), outcome: outcomeUnauthorized, cause: causeIssuerToken}
		switch {
		case badToken.Throttled:
			r.outcome, r.cause = outcomeThrottled, causeForgeries
		case badToken.UnknownRobot:
			r.code = errorInvalidTarget
		}
		return r
	}
	switch {
	case errors.Is(err, auth.ErrTokenRequest):
		return invalidRequest("%v", err)
	case errors.Is(err, auth.ErrInvalidCredentials):
		return &refusal{status: http.StatusBadRequest, code: errorInvalidRequest, message: "the subject_token is not valid here", outcome: outcomeUnauthorized, cause: causeIssuerToken}
	case errors.Is(err, cache.ErrUnavailable):
		w.Header().Set("Retry-After", "5")
		return &refusal{
			status: http.StatusServiceUnavailable, code: errorUnavailable, outcome: outcomeAway, cause: causeDatabaseAway,
			message: "the database does not answer, without which nothing can be given for the token: try again in a moment, or use the token itself as password",
		}
	case errors.Is(err, context.Canceled):
		return err
	default: // the session could not be written down
		w.Header().Set("Retry-After", "5")
		s.config.Logger.Error("cannot exchange a token", zap.Error(err), hintField(err))
		return &refusal{
			status: http.StatusServiceUnavailable, code: errorUnavailable, outcome: outcomeFailed, cause: causeDatabaseUnwritable,
			message: "the database takes no changes now, without which nothing can be given for the token: try again in a moment, or use the token itself as password",
		}
	}
}

// writeExchanged writes the answer of RFC 8693 section 2.2.1.
func (s *Server) writeExchanged(w http.ResponseWriter, session auth.Session, scopes []access.Permission) {
	body := []byte(`{"access_token":`)
	body = jsonstring.Append(body, session.Token.Reveal())
	body = append(body, `,"issued_token_type":`...)
	body = jsonstring.Append(body, typeAccessToken)
	body = append(body, `,"token_type":"N_A","expires_in":`...)
	body = strconv.AppendInt(body, max(0, int64(session.ExpiresAt.Sub(s.config.Store.Now())/time.Second)), 10)
	body = append(body, `,"username":`...)
	body = jsonstring.Append(body, session.Robot.Name)
	if len(scopes) > 0 {
		body = append(body, `,"scope":`...)
		body = jsonstring.Append(body, permissionText(scopes))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache") // RFC 6749 section 5.1
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(append(body, "}\n"...)) // the client is gone
}

func permissionText(permissions []access.Permission) string {
	texts := make([]string, len(permissions))
	for n, p := range permissions {
		texts[n] = p.String()
	}
	return strings.Join(texts, " ")
}

// startedBy counts a session that docker login began.
func (s *Server) startedBy(principal auth.Principal, refreshToken string) {
	if principal.Method == auth.ByIssuerToken && refreshToken != "" {
		s.config.Metrics.sessionStarted(principal.Issuer(), store.RefreshSession)
	}
}

// fromTokenForm answers a request by POST.
func (s *Server) fromTokenForm(w http.ResponseWriter, r *http.Request, began time.Time) (request tokenRequest, answered bool, err error) {
	form, err := readForm(r)
	if err != nil {
		return tokenRequest{}, false, err
	}
	if form.first("grant_type") == grantExchange {
		s.serveExchange(w, r, form, began)
		return tokenRequest{}, true, nil
	}
	request, err = s.parseTokenForm(form)
	return request, false, err
}
