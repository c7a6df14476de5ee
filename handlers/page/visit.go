package page

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

// visit is one request of a person.
type visit struct {
	*http.Request
	// Viewer is who is signed in, nil for nobody, and Principal is the same for what
	// asks for one.
	Viewer    *Viewer
	Principal auth.Principal

	page *Handler
	w    http.ResponseWriter
}

func (h *Handler) newVisit(w http.ResponseWriter, r *http.Request) *visit {
	return &visit{Request: named(r), page: h, w: w}
}

// serve finds out who looks, and answers.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, f pageFunc) {
	v := h.newVisit(w, r)
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
func withForm(f pageFunc) pageFunc {
	return func(v *visit) error {
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
func (v *visit) readForm() error {
	err := v.ParseForm()
	if err == nil && strings.HasPrefix(v.Header.Get("Content-Type"), "multipart/form-data") {
		err = v.ParseMultipartForm(maxForm) //nolint:gosec // the body is bounded
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return refusal(http.StatusRequestEntityTooLarge, adminapi.CodeInvalid, "what was sent is larger than "+strconv.FormatInt(tooLarge.Limit>>10, 10)+" KiB")
	case err != nil:
		return refusal(http.StatusBadRequest, adminapi.CodeInvalid, "the form did not arrive as it was sent: send it again")
	}
	return nil
}

// forgetFiles removes what was kept of files that were sent: the server does that for
// its own request alone, of which this is a copy.
func (v *visit) forgetFiles() {
	if v.MultipartForm != nil {
		_ = v.MultipartForm.RemoveAll() // what is left is temporary
	}
}

// render answers with a page. data is .Data in its template.
func (v *visit) render(template, title string, data any) error {
	return v.answer(http.StatusOK, template, view{Title: title, Data: data})
}

// refused answers with a page that says what is wrong with what was sent to it. An
// error that is none of the person's is returned.
func (v *visit) refused(template, title string, data any, err error) error {
	problem, ok := errors.AsType[*adminapi.Problem](err)
	if !ok || problem.Code == adminapi.CodePasswordAgain || problem.Status >= http.StatusInternalServerError {
		return err
	}
	return v.answer(problem.Status, template, view{Title: title, Data: data, Problem: problem})
}

func (v *visit) answer(status int, template string, content view) error {
	content.visit = v
	content.Notice = notices[v.URL.Query().Get("done")]
	var page bytes.Buffer
	if err := execute(&page, template, &content); err != nil {
		return err
	}
	header := v.w.Header()
	if content.Problem != nil && content.Problem.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(content.Problem.RetryAfter))
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(page.Len()))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(page.Bytes()) // the client is gone
	return nil
}

// redirect goes on to a page below [root], by its path there and its query.
func (v *visit) redirect(path string, query url.Values) error {
	target := root + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	v.w.Header().Set("Location", target)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// done goes on to a page, which says what was done: a code of [notices].
func (v *visit) done(path, code string) error {
	return v.redirect(path, url.Values{"done": {code}})
}

// fail answers with what is wrong.
func (h *Handler) fail(v *visit, err error) {
	problem, ok := errors.AsType[*adminapi.Problem](err)
	switch {
	case ok:
	case errors.Is(v.Context().Err(), context.Canceled):
		return
	default:
		h.config.Logger.Error("page", zap.String("path", v.URL.Path), zap.Error(err))
		problem = refusal(http.StatusInternalServerError, adminapi.CodeInternal, "something went wrong in Dockit: see its log")
	}
	if problem.Code == adminapi.CodePasswordAgain && v.Viewer != nil {
		if err = v.askAgain(nil); err == nil {
			return
		}
	}
	if err := v.answer(problem.Status, "problem", view{Title: problem.Title, Problem: problem}); err != nil {
		h.config.Logger.Error("page", zap.String("path", v.URL.Path), zap.Error(err))
		http.Error(v.w, problem.Detail, problem.Status)
	}
}

// refusal is a problem that the page itself finds.
func refusal(status int, code adminapi.Code, detail string) *adminapi.Problem {
	return &adminapi.Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// notFound says that there is nothing of that kind for who looks.
func notFound(detail string) *adminapi.Problem {
	return refusal(http.StatusNotFound, adminapi.CodeNotFound, detail)
}

func (*Handler) nothingHere(v *visit) error {
	if v.Viewer == nil {
		return v.signInFirst()
	}
	return notFound("there is no such page: go on from the start")
}
