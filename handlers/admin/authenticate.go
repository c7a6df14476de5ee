package admin

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"

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
		username, password, ok := r.BasicAuth()
		if !ok || len(r.Header.Values("Authorization")) > 1 { // which of them would be meant?
			writeProblem(w, unauthorized("credentials of an admin are needed"))
			return
		}
		username = subject.FoldName(username) // as it is authenticated
		if wait, tooOften := a.tooManyNameless(r, username, password); tooOften {
			a.refuseLogin(r, "")
			writeThrottled(w, wait, "too many logins from there had a name that nobody can have")
			return
		}
		var attempt auth.Attempt
		principal, err := a.config.Auth.Authenticate(auth.WithAttempt(r.Context(), &attempt), username, password)
		var throttled *auth.ThrottledError
		switch ip := clientIP(r); {
		case errors.As(err, &throttled):
			// Not in the audit: what led to it is.
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(throttled.RetryAfter.Seconds()))))
			writeProblem(w, problem(http.StatusTooManyRequests, adminapi.CodeThrottled, throttled.Error()))
		case errors.Is(err, auth.ErrInvalidCredentials):
			a.refuseLogin(r, loginName(attempt, username, password))
			writeProblem(w, unauthorized("wrong username or password"))
		case errors.Is(err, auth.ErrBusy):
			w.Header().Set("Retry-After", "1")
			writeProblem(w, problem(http.StatusServiceUnavailable, adminapi.CodeBusy, "too many logins at once: try again in a second"))
		case err != nil:
			writeProblem(w, a.problemOf(r.Context(), err))
		case !principal.Admin && !isOwn(r, principal):
			a.refuse(r, audit.Event{Action: audit.LoginDenied, Actor: audit.NameOf(principal.Ref), Address: ip})
			if wait, tooOften := a.restraints.refused.take(whoFrom(r, principal)); tooOften {
				writeThrottled(w, wait, principal.Ref.String()+" is not an admin, and asks again and again")
				return
			}
			writeProblem(w, problem(http.StatusForbidden, adminapi.CodeForbidden, principal.Ref.String()+" is not an admin: log in as one, or let one do it"))
		default:
			by := caller{principal, ip}
			ctx := store.WithActor(context.WithValue(r.Context(), callerKey{}, by), store.Actor{Ref: principal.Ref, Address: ip, Credential: principal.Credential})
			a.restrained(w, r.WithContext(ctx), by, next)
		}
	})
}

func unauthorized(detail string) *adminapi.Problem {
	return problem(http.StatusUnauthorized, adminapi.CodeUnauthorized, detail)
}
