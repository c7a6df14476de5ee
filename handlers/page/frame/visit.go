package frame

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
)

// Visit is one request of a person.
type Visit struct {
	*http.Request
	// Viewer is who is signed in, nil without a session, and Principal is the same for what
	// asks for one.
	Viewer    *Viewer
	Principal auth.Principal

	// Writer takes the answer.
	Writer http.ResponseWriter

	page *Handler
}

// NewVisit is one without a viewer.
func (h *Handler) NewVisit(w http.ResponseWriter, r *http.Request) *Visit {
	return &Visit{Request: named(r), page: h, Writer: w}
}

// serve finds out who looks, and answers.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, f PageFunc) {
	v := h.NewVisit(w, r)
	if !protected(r) {
		h.fail(v, plainRefusal(r))
		return
	}
	if err := v.recognize(); err != nil {
		h.fail(v, err)
		return
	}
	if err := f(v); err != nil {
		h.fail(v, err)
	}
}

// withForm reads what was sent first.
func withForm(f PageFunc) PageFunc {
	return func(v *Visit) error {
		if v.Method == http.MethodPost {
			defer v.forgetFiles()
			if err := v.readForm(); err != nil {
				return err
			}
		}
		return f(v)
	}
}

// readForm reads what was sent, within the bound of the route.
func (v *Visit) readForm() error {
	err := v.ParseForm()
	if err == nil && strings.HasPrefix(v.Header.Get("Content-Type"), "multipart/form-data") {
		err = v.ParseMultipartForm(MaxForm) //nolint:gosec // the body is bounded
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return Refusal(http.StatusRequestEntityTooLarge, adminapi.CodeInvalid, "what was sent is larger than "+strconv.FormatInt(tooLarge.Limit>>10, 10)+" KiB")
	case err != nil:
		return Refusal(http.StatusBadRequest, adminapi.CodeInvalid, "the form did not arrive as it was sent: send it again")
	}
	return nil
}

// forgetFiles removes what was kept of files that were sent: the server does that for
// its own request alone, of which this is a copy.
func (v *Visit) forgetFiles() {
	if v.MultipartForm != nil {
		_ = v.MultipartForm.RemoveAll() // what is left is temporary
	}
}

// Render answers with a page. data is .Data in its template.
func (v *Visit) Render(template, title string, data any) error {
	return v.Answer(http.StatusOK, template, View{Title: title, Data: data})
}

// Refused answers with a page that says what is wrong with what was sent to it. An
// error that is none of the person's is returned.
func (v *Visit) Refused(template, title string, data any, err error) error {
	problem, ok := errors.AsType[*adminapi.Problem](err)
	if !ok || problem.Code == adminapi.CodePasswordAgain || problem.Status >= http.StatusInternalServerError {
		return err
	}
	return v.Answer(problem.Status, template, View{Title: title, Data: data, Problem: problem})
}

// Answer answers with a page.
func (v *Visit) Answer(status int, template string, content View) error {
	content.visit = v
	content.Notice = notices[v.URL.Query().Get("done")]
	var page bytes.Buffer
	if err := v.page.execute(&page, template, &content); err != nil {
		return err
	}
	header := v.Writer.Header()
	if content.Problem != nil && content.Problem.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(content.Problem.RetryAfter))
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(page.Len()))
	v.Writer.WriteHeader(status)
	_, _ = v.Writer.Write(page.Bytes()) // the client is gone
	return nil
}

// Redirect goes on to a page below [Root], by its path there and its query.
func (v *Visit) Redirect(path string, query url.Values) error {
	target := Root + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	v.Writer.Header().Set("Location", target)
	v.Writer.WriteHeader(http.StatusSeeOther)
	return nil
}

// Done goes on to a page, which says what was done: a code of [notices].
func (v *Visit) Done(path, code string) error {
	return v.Redirect(path, url.Values{"done": {code}})
}

// fail answers with what is wrong.
func (h *Handler) fail(v *Visit, err error) {
	problem, ok := errors.AsType[*adminapi.Problem](err)
	switch {
	case ok:
	case errors.Is(v.Context().Err(), context.Canceled):
		return
	default:
		h.Logger.Error("page", zap.String("path", v.URL.Path), zap.Error(err))
		problem = Refusal(http.StatusInternalServerError, adminapi.CodeInternal, "something went wrong in Dockit: see its log")
	}
	if problem.Code == adminapi.CodePasswordAgain && v.Viewer != nil {
		if err = v.askAgain(nil); err == nil {
			return
		}
	}
	if err := v.Answer(problem.Status, "problem", View{Title: problem.Title, Problem: problem}); err != nil {
		h.Logger.Error("page", zap.String("path", v.URL.Path), zap.Error(err))
		http.Error(v.Writer, problem.Detail, problem.Status)
	}
}

// Refusal is a problem that the page itself finds.
func Refusal(status int, code adminapi.Code, detail string) *adminapi.Problem {
	return &adminapi.Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// NotFound says that there is nothing of that kind for who looks.
func NotFound(detail string) *adminapi.Problem {
	return Refusal(http.StatusNotFound, adminapi.CodeNotFound, detail)
}

func (*Handler) nothingHere(v *Visit) error {
	if v.Viewer == nil {
		return v.signInFirst()
	}
	return NotFound("there is no such page: go on from the start")
}
