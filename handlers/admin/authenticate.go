package admin

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/auth"
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
		principal, err := a.config.Auth.Authenticate(r.Context(), username, password)
		var throttled *auth.ThrottledError
		switch ip := a.config.ClientIP(r); {
		case errors.As(err, &throttled):
			// Not in the audit: what led to it is, and this may be much more.
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(throttled.RetryAfter.Seconds()))))
			writeProblem(w, problem(http.StatusTooManyRequests, adminapi.CodeThrottled, throttled.Error()))
		case errors.Is(err, auth.ErrInvalidCredentials):
			a.recordFailedLogin(r.Context(), username, ip)
			a.config.Logger.Warn("admin login refused", zap.String("username", printable(username)), zap.String("client_ip", ip))
			writeProblem(w, unauthorized("wrong username or password"))
		case errors.Is(err, auth.ErrBusy):
			w.Header().Set("Retry-After", "1")
			writeProblem(w, problem(http.StatusServiceUnavailable, adminapi.CodeBusy, "too many logins at once: try again in a second"))
		case err != nil:
			writeProblem(w, a.problemOf(r.Context(), err))
		case !principal.Admin && !isOwn(r, principal):
			a.recordEvent(r.Context(), audit.Event{Action: audit.LoginDenied, Actor: audit.NameOf(principal.Ref), Address: ip})
			a.config.Logger.Warn("admin API refused to a subject that is no admin", zap.Stringer("subject", principal.Ref), zap.String("client_ip", ip))
			writeProblem(w, problem(http.StatusForbidden, adminapi.CodeForbidden, principal.Ref.String()+" is not an admin: log in as one, or let one do it"))
		default:
			ctx := context.WithValue(r.Context(), callerKey{}, caller{principal, ip})
			next.ServeHTTP(w, r.WithContext(store.WithActor(ctx, store.Actor{Ref: principal.Ref, Address: ip, Credential: principal.Credential})))
		}
	})
}

func unauthorized(detail string) *adminapi.Problem {
	return problem(http.StatusUnauthorized, adminapi.CodeUnauthorized, detail)
}

// printable keeps anything but a possible name out of the log: people type
// their password into the wrong field.
func printable(username string) string {
	if subject.ValidateName(username) != nil {
		return "(no valid name)"
	}
	return username
}
