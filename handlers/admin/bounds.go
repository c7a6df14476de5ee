package admin

import (
	"fmt"
	"net/http"
	"path"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/state"
)

const (
	// maxURL is the longest request URI, in bytes.
	maxURL = 8 << 10
	// readTimeout is how long a client may take to send its body, and
	// writeTimeout how long everything may take.
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
)

// limits is what one request may cost.
type limits struct {
	body        int64
	read, write time.Duration
}

// limitsOf allows a whole state to be large. Nothing of a body is read before
// an admin has logged in.
func limitsOf(path string) limits {
	if path == prefix+statePath || path == prefix+statePlanPath {
		return limits{state.MaxSize, stateTimeout, stateTimeout}
	}
	return limits{adminapi.MaxBody, readTimeout, writeTimeout}
}

// bounded limits what one request can cost before anybody has logged in.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l := limitsOf(r.URL.Path)
		if len(r.URL.Path)+len(r.URL.RawQuery) > maxURL {
			writeProblem(w, problem(http.StatusRequestURITooLong, adminapi.CodeInvalid, "the URL is longer than 8 KB"))
			return
		}
		if r.ContentLength > l.body {
			writeProblem(w, problem(http.StatusRequestEntityTooLarge, adminapi.CodeInvalid, fmt.Sprintf("the body is larger than %d KiB", l.body>>10)))
			return
		}
		// Not every ResponseWriter has deadlines; the limits on size hold.
		control, now := http.NewResponseController(w), time.Now()
		_ = control.SetReadDeadline(now.Add(l.read))
		_ = control.SetWriteDeadline(now.Add(l.write))
		// The deadline to read stays for what the server drains of a body that
		// nobody read; the next request on the connection gets its own.
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
		r.Body = http.MaxBytesReader(w, r.Body, l.body)
		next.ServeHTTP(w, r)
	})
}

// exactly serves the routes of a mux and answers everything else with a
// problem: the mux itself would answer in plain text, or redirect to a path
// that it finds cleaner.
func exactly(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Clean(r.URL.Path) != r.URL.Path {
			writeProblem(w, problem(http.StatusNotFound, adminapi.CodeNotFound, "no such path: see "+adminapi.Prefix+"openapi.json"))
			return
		}
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		refusal := &recorder{header: http.Header{}}
		handler.ServeHTTP(refusal, r)
		if allow := refusal.header.Get("Allow"); refusal.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", allow)
			writeProblem(w, problem(http.StatusMethodNotAllowed, adminapi.CodeMethod, r.Method+" is not supported here: use "+allow))
			return
		}
		writeProblem(w, problem(http.StatusNotFound, adminapi.CodeNotFound, "no such path: see "+adminapi.Prefix+"openapi.json"))
	})
}

// recorder keeps the status and header of an answer and drops its body.
type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }
