package admin

import (
	"context"
	"errors"
	"math"
	"net/http"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// caller is who uses the API, and from where.
type caller struct {
	auth.Principal
	IP string
}

type callerKey struct{}

// callerOf returns who was let in by authenticate.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// authenticate lets admins in, and others for what they may do for themselves.
func (a *API) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if principal, inside := auth.PrincipalOf(r.Context()); inside {
			a.letIn(w, r, principal, next)
			return
		}
		username, password, ok := r.BasicAuth()
		if !ok || len(r.Header.Values("Authorization")) > 1 { // which of them would be meant?
			writeProblem(w, unauthorized("credentials of an admin are needed"))
			return
		}
		principal, refusal := a.logIn(r, username, password)
		if refusal != nil {
			writeProblem(w, refusal)
			return
		}
		a.letIn(w, r, principal, next)
	})
}

// LogIn proves who asks by a name and a password, as the API does for each request:
// through the same guard and queue, counted for the same audit.
func (a *API) LogIn(r *http.Request, username, password string) (auth.Principal, *adminapi.Problem) {
	principal, refusal := a.logIn(r, username, password)
	if refusal != nil {
		return auth.Principal{}, &refusal.Problem
	}
	return principal, nil
}

func (a *API) logIn(r *http.Request, username, password string) (auth.Principal, *httpProblem) {
	username = subject.FoldName(username) // as it is authenticated
	if wait, tooOften := a.tooManyNameless(r, username, password); tooOften {
		a.refuseLogin(r, "")
		return auth.Principal{}, throttled(wait, "too many logins from there had a name that nobody can have")
	}
	var attempt auth.Attempt
	principal, err := a.config.Auth.Authenticate(auth.WithAttempt(r.Context(), &attempt), username, password)
	var tooMany *auth.ThrottledError
	switch {
	case errors.As(err, &tooMany):
		// Not in the audit: what led to it is.
		refusal := problem(http.StatusTooManyRequests, adminapi.CodeThrottled, tooMany.Error())
		refusal.RetryAfter = int(math.Ceil(tooMany.RetryAfter.Seconds()))
		return auth.Principal{}, refusal
	case errors.Is(err, auth.ErrInvalidCredentials):
		a.refuseLogin(r, loginName(attempt, username, password))
		return auth.Principal{}, unauthorized("wrong username or password")
	case errors.Is(err, auth.ErrBusy):
		refusal := problem(http.StatusServiceUnavailable, adminapi.CodeBusy, "too many logins at once: try again in a second")
		refusal.RetryAfter = 1
		return auth.Principal{}, refusal
	case err != nil:
		return auth.Principal{}, a.problemOf(r.Context(), err)
	}
	return principal, nil
}

// letIn serves a request of an authenticated subject, which may not be allowed to
// make it.
func (a *API) letIn(w http.ResponseWriter, r *http.Request, principal auth.Principal, next http.Handler) {
	ip := clientIP(r)
	if !principal.Admin && !isOwn(r, principal) {
		a.refuse(r, audit.Event{Action: audit.LoginDenied, Actor: audit.NameOf(principal.Ref), Address: ip})
		if wait, tooOften := a.restraints.refused.take(whoFrom(r, principal)); tooOften {
			writeThrottled(w, wait, principal.Ref.String()+" is not an admin, and asks again and again")
			return
		}
		writeProblem(w, problem(http.StatusForbidden, adminapi.CodeForbidden, principal.Ref.String()+" is not an admin: log in as one, or let one do it"))
		return
	}
	by := caller{principal, ip}
	ctx := store.WithActor(context.WithValue(r.Context(), callerKey{}, by), store.Actor{Ref: principal.Ref, Address: ip, Credential: principal.Credential})
	a.restrained(w, r.WithContext(ctx), by, next)
}

func unauthorized(detail string) *httpProblem {
	return problem(http.StatusUnauthorized, adminapi.CodeUnauthorized, detail)
}
