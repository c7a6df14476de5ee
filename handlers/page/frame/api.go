package frame

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
)

// API asks the admin API for something, with the rights of the viewer. The path is
// that below [adminapi.Prefix], with a slash in front and each segment escaped. body
// is sent as JSON, unless it is nil, and the answer read into what into points to,
// unless that is nil. A refusal is an [adminapi.Problem].
func (v *Visit) API(method, path string, body, into any) error {
	if body == nil {
		return v.Send(method, path, "", nil, into)
	}
	document, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("ask the admin API: %w", err)
	}
	return v.Send(method, path, "application/json", bytes.NewReader(document), into)
}

// Send is API for a body of any type. into may be an [io.Writer], which gets the
// answer as it is.
func (v *Visit) Send(method, path, contentType string, body io.Reader, into any) error {
	header := http.Header{}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	return v.SendWith(method, path, header, body, into)
}

// SendWith is Send with any headers.
func (v *Visit) SendWith(method, path string, header http.Header, body io.Reader, into any) error {
	r, err := http.NewRequestWithContext(auth.WithPrincipal(v.Context(), v.Principal), method, strings.TrimSuffix(adminapi.Prefix, "/")+path, body) //nolint:gosec,nolintlint // it never leaves this process, which gosec sees at times
	if err != nil {
		return fmt.Errorf("ask the admin API: %w", err)
	}
	r.Header = header
	if body != nil && r.ContentLength == 0 {
		r.ContentLength = -1 // it is not known
	}
	r.RemoteAddr = v.RemoteAddr
	answer := &recorder{header: http.Header{}, status: http.StatusOK}
	v.page.API.ServeHTTP(answer, r)
	if answer.status >= http.StatusBadRequest {
		return answer.problem()
	}
	switch into := into.(type) {
	case nil:
		return nil
	case io.Writer:
		_, err = answer.body.WriteTo(into)
	default:
		if answer.body.Len() > 0 {
			err = json.Unmarshal(answer.body.Bytes(), into)
		}
	}
	if err != nil {
		return fmt.Errorf("read the answer of the admin API to %s %s: %w", method, path, err)
	}
	return nil
}

// recorder keeps an answer in memory.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if !r.wrote && status >= http.StatusOK {
		r.status, r.wrote = status, true
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	return r.body.Write(p)
}

// problem is what the answer says is wrong.
func (r *recorder) problem() error {
	problem := new(adminapi.Problem)
	if err := json.Unmarshal(r.body.Bytes(), problem); err != nil || problem.Status == 0 {
		return fmt.Errorf("the admin API answered with %d, and not what is wrong", r.status)
	}
	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err == nil {
		problem.RetryAfter = seconds
	}
	return problem
}

// Unavailable is for sessions that cannot be looked up or made.
func (h *Handler) Unavailable(err error) error {
	h.Logger.Error("sessions at the page", zap.Error(err))
	p := Refusal(http.StatusServiceUnavailable, adminapi.CodeStorage, "the database takes no changes or does not answer, so that nobody can sign in or out: try again a little later")
	p.RetryAfter = 5
	return p
}

// Own is a path of the admin API below that of who looks.
func (v *Visit) Own(below string) string {
	return "/users/" + url.PathEscape(v.Viewer.Name()) + "/" + below
}
