package admin

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuerkeys"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// httpProblem is a problem as huma sends it.
type httpProblem struct{ adminapi.Problem }

// GetStatus implements [huma.StatusError].
func (p *httpProblem) GetStatus() int { return p.Status }

// GetHeaders implements [huma.HeadersError].
func (p *httpProblem) GetHeaders() http.Header {
	headers := http.Header{}
	if p.RetryAfter > 0 {
		headers.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	return headers
}

// ContentType implements [huma.ContentTypeFilter], whatever was negotiated.
func (p *httpProblem) ContentType(string) string { return adminapi.ProblemMediaType }

// Interface guards
var (
	_ huma.StatusError       = (*httpProblem)(nil)
	_ huma.HeadersError      = (*httpProblem)(nil)
	_ huma.ContentTypeFilter = (*httpProblem)(nil)
)

func problem(status int, code adminapi.Code, detail string) *httpProblem {
	return &httpProblem{adminapi.Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}}
}

func invalid(err error) *httpProblem {
	return problem(http.StatusUnprocessableEntity, adminapi.CodeInvalid, err.Error())
}

// storage is for a database that may do in a moment what it does not do now.
func storage(detail string) *httpProblem {
	p := problem(http.StatusServiceUnavailable, adminapi.CodeStorage, detail)
	p.RetryAfter = 5
	return p
}

// refusals are the errors that the caller can do something about. Their texts
// say what.
var refusals = []struct {
	err    error
	status int
	code   adminapi.Code
	hint   string
}{
	{store.ErrNotFound, http.StatusNotFound, adminapi.CodeNotFound, ""},
	{store.ErrExists, http.StatusConflict, adminapi.CodeExists, "users, robots and groups share one name space: choose another name"},
	{store.ErrStale, http.StatusPreconditionFailed, adminapi.CodeStale, "read it again, and repeat the change if it still makes sense"},
	{store.ErrBuiltIn, http.StatusConflict, adminapi.CodeBuiltIn, ""},
	{store.ErrLastAdmin, http.StatusConflict, adminapi.CodeLastAdmin, "make or enable another admin first"},
	{store.ErrKind, http.StatusConflict, adminapi.CodeKind, ""},
	{store.ErrNeedsPassword, http.StatusForbidden, adminapi.CodePasswordNeeded, "log in with a password"},
	{store.ErrWider, http.StatusForbidden, adminapi.CodePasswordNeeded, ""},
	{store.ErrCredentialEnded, http.StatusUnauthorized, adminapi.CodeUnauthorized, "log in again"},
	{store.ErrTooMany, http.StatusConflict, adminapi.CodeTooMany, ""},
	{state.ErrTooManyPermissions, http.StatusConflict, adminapi.CodeTooMany, "write one with a wildcard in the place of many, such as repository:team/**:push, or raise the bound with --max-permissions of api-server or limits in a Caddyfile"},
	{federation.ErrNoOwner, http.StatusConflict, adminapi.CodeUnprotected, ""},
	{federation.ErrUnprotected, http.StatusConflict, adminapi.CodeUnprotected, ""},
	{federation.ErrInvalidIssuer, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{federation.ErrInvalidKind, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{federation.ErrInvalidBinding, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{federation.ErrInvalidCondition, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{federation.ErrInvalidExposure, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{issuerkeys.ErrAnswer, http.StatusFailedDependency, adminapi.CodeIssuer, ""},
	{issuerkeys.ErrNoKeys, http.StatusFailedDependency, adminapi.CodeIssuer, ""},
	{store.ErrIncluded, http.StatusConflict, adminapi.CodeIncluded, ""},
	{store.ErrNotReplicated, http.StatusServiceUnavailable, adminapi.CodeNotReplicated, ""},
	{store.ErrUnknownOutcome, http.StatusServiceUnavailable, adminapi.CodeStorage, ""},
	{pki.ErrUnknownKey, http.StatusNotFound, adminapi.CodeNotFound, ""},
	{pki.ErrExternal, http.StatusConflict, adminapi.CodeExternal, ""},
	{pki.ErrNextAuthorityTooNew, http.StatusConflict, adminapi.CodeTooEarly, ""},
	{pki.ErrAuthorityExpires, http.StatusConflict, adminapi.CodeExpires, "switch to another authority"},
	{pki.ErrConflict, http.StatusServiceUnavailable, adminapi.CodeBusy, "try again"},
	{subject.ErrInvalidName, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{subject.ErrInvalidKind, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{auth.ErrTokenRequest, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{password.ErrRefused, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{password.ErrSpace, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{password.ErrLength, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{password.ErrHash, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{access.ErrInvalidPermission, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{state.ErrTooLarge, http.StatusRequestEntityTooLarge, adminapi.CodeInvalid, "apply it in parts without prune, or raise the bound with --max-state-size of api-server or limits in a Caddyfile"},
	{state.ErrInvalid, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{state.ErrTooManyRemovals, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{state.ErrOptions, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{state.ErrConflict, http.StatusConflict, adminapi.CodeConflict, ""},
	{access.ErrInvalidName, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
	{access.ErrInvalidActions, http.StatusUnprocessableEntity, adminapi.CodeInvalid, ""},
}

// statusClientClosed is for a client that left before it was answered: Caddy logs
// 5xx as errors.
const statusClientClosed = 499

// problemOf turns an error into what the caller may know of it. What is not
// the caller's doing goes to the log.
func (a *API) problemOf(ctx context.Context, err error) *httpProblem {
	if p, ok := errors.AsType[*httpProblem](err); ok {
		return p
	}
	for _, refusal := range refusals {
		if errors.Is(err, refusal.err) {
			p := problem(refusal.status, refusal.code, err.Error())
			if refusal.hint != "" {
				p.Detail += ": " + refusal.hint
			}
			return p
		}
	}
	if errors.Is(err, cache.ErrUnavailable) {
		hint := store.Hint(err)
		if hint == "" {
			hint = "the database does not answer"
		}
		return storage("nothing can be read or changed now, and tokens are issued from memory: " + hint)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return problem(statusClientClosed, adminapi.CodeBusy, "the request was given up")
	}
	if ctx.Err() != nil {
		return problem(http.StatusServiceUnavailable, adminapi.CodeBusy, "the request took too long")
	}
	if hint := store.Hint(err); hint != "" {
		a.config.Logger.Error("the database fails", zap.Error(err), zap.String("remedy", hint))
		return storage("nothing was changed: " + hint)
	}
	a.config.Logger.Error("admin API", zap.Error(err))
	return problem(http.StatusInternalServerError, adminapi.CodeInternal, "something went wrong in Dockit: see its log")
}

// withoutValues turns the errors of huma's validation into problems that leave
// out the refused values, among which a password may be.
func withoutValues(_ huma.Context, _ string, body any) (any, error) {
	model, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	p := problem(model.Status, adminapi.CodeInvalid, model.Detail)
	if model.Status >= http.StatusInternalServerError {
		p.Code, p.Detail = adminapi.CodeInternal, "something went wrong in Dockit: see its log"
		return p, nil
	}
	for _, detail := range model.Errors {
		if detail == nil {
			continue
		}
		p.Errors = append(p.Errors, adminapi.FieldError{Location: detail.Location, Message: detail.Message})
	}
	return p, nil
}

func writeProblem(w http.ResponseWriter, p *httpProblem) {
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Dockit", charset="UTF-8"`)
	}
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone
}
