package admin

import (
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/subject"
)

// restraints slow down who is refused again and again, by subject and network,
// and who changes what is its own again and again. What succeeds for an admin
// is not limited.
type restraints struct {
	refused, own *rates
	// nameless are logins with names that no subject can have, by network. Names
	// that a subject may have are limited by package auth.
	nameless *rates
}

func newRestraints() restraints {
	return restraints{
		refused:  newRates(60, time.Second),
		own:      newRates(20, 6*time.Second),
		nameless: newRates(10, 2*time.Second),
	}
}

// whoFrom is a subject at a network.
func whoFrom(r *http.Request, p auth.Principal) string { return p.Ref.String() + " " + networkOf(r) }

func networkOf(r *http.Request) string { return auth.OriginOf(r.Context()).Network() }

// clientIP is the address that a request came from, for the log and the audit;
// empty when it is unknown.
func clientIP(r *http.Request) string {
	if ip := auth.OriginOf(r.Context()).Address; ip.IsValid() {
		return ip.String()
	}
	return ""
}

// restrained lets a request of a caller who logged in through, unless that one
// is too busy, and counts it when it is refused.
func (a *API) restrained(w http.ResponseWriter, r *http.Request, c caller, next http.Handler) {
	who := whoFrom(r, c.Principal)
	if wait, spent := a.restraints.refused.spent(who); spent {
		a.refuse(r, audit.Event{Action: audit.RequestRefused, Actor: audit.NameOf(c.Ref), Address: c.IP})
		writeThrottled(w, wait, "too many requests of "+c.Ref.String()+" were refused")
		return
	}
	if !c.Admin && r.Method != http.MethodGet && r.Method != http.MethodHead {
		if wait, tooOften := a.restraints.own.take(who); tooOften {
			a.refuse(r, audit.Event{Action: audit.RequestRefused, Actor: audit.NameOf(c.Ref), Address: c.IP})
			writeThrottled(w, wait, c.Ref.String()+" changes its own tokens and password too often")
			return
		}
	}
	seen := &statusOf{ResponseWriter: w}
	next.ServeHTTP(seen, r)
	if isRefusal(seen.status, c.Admin) {
		a.restraints.refused.take(who)
		a.refuse(r, audit.Event{Action: audit.RequestRefused, Actor: audit.NameOf(c.Ref), Address: c.IP})
	}
}

// isRefusal distinguishes what no well-meaning caller who knows how does from what happens
// to everybody, such as a name that is taken.
func isRefusal(status int, admin bool) bool {
	switch status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	case http.StatusNotFound:
		return !admin // it looks for what is not its own
	default:
		return false
	}
}

// refuse counts a refusal for the audit and writes the first of its kind to the
// log.
func (a *API) refuse(r *http.Request, event audit.Event) {
	if a.config.Refusals.add(event, networkOf(r)) {
		a.config.Logger.Warn("admin API refused a request", zap.String("action", string(event.Action)),
			zap.String("actor", string(event.Actor)), zap.String("subject", string(event.Subject)), zap.String("client_ip", event.Address))
	}
}

// tooManyNameless counts a login with a name that no subject can have, which package
// auth does not limit. The name beside a token may be anything.
func (a *API) tooManyNameless(r *http.Request, username, password string) (wait time.Duration, tooOften bool) {
	if subject.ValidateName(username) == nil {
		return 0, false
	}
	if _, err := opaque.Parse(password); err == nil {
		return 0, false
	}
	return a.restraints.nameless.take(networkOf(r))
}

// refuseLogin counts wrong credentials.
func (a *API) refuseLogin(r *http.Request, name audit.Name) {
	a.refuse(r, audit.Event{Action: audit.LoginFailed, Address: clientIP(r), Subject: name})
}

// loginName is whom the audit names for wrong credentials: a subject that there
// is, or who came with an access token of no subject. Any other name is left out:
// people type their password into the wrong field, and it may look like a name.
func loginName(attempt auth.Attempt, username, password string) audit.Name {
	if attempt.Subject != (subject.Ref{}) {
		return audit.NameOf(attempt.Subject)
	}
	_, noToken := opaque.Parse(password)
	_, noTokenAsName := opaque.Parse(username)
	if noToken != nil || noTokenAsName == nil || subject.ValidateName(username) != nil {
		return ""
	}
	return audit.NameOf(subject.Ref{Kind: subject.User, Name: username})
}

// statusOf keeps the status of an answer.
type statusOf struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (s *statusOf) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write implements [io.Writer].
func (s *statusOf) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (s *statusOf) Unwrap() http.ResponseWriter { return s.ResponseWriter }
