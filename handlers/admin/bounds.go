package admin

import (
	"fmt"
	"net/http"
	"path"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/limit"
)

const (
	// maxURL is the longest request URI, in bytes.
	maxURL = 8 << 10
	// readTimeout is how long a client may take to send its body, and
	// writeTimeout how long everything may take.
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
)

// maxBody is the largest body of a request, in bytes.
func (a *API) maxBody(r *http.Request) int64 {
	if aboutState(r) {
		return a.config.maxState()
	}
	return adminapi.MaxBody
}

// aboutState reports whether a request is about a whole state, which is large.
func aboutState(r *http.Request) bool {
	return r.URL.Path == prefix+statePath || r.URL.Path == prefix+statePlanPath
}

// bounded limits what one request can cost before the caller has logged in.
// Nothing of a body is read until then.
func (a *API) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l := limit.Limits{Body: a.maxBody(r), Read: readTimeout, Write: writeTimeout}
		defer limit.Apply(w, r, l)()
		if r.ContentLength != 0 && r.ProtoMajor == 1 {
			// Else the server waits for the body before it sends a refusal.
			w.Header().Set("Connection", "close")
		}
		if len(r.URL.Path)+len(r.URL.RawQuery) > maxURL {
			writeProblem(w, problem(http.StatusRequestURITooLong, adminapi.CodeInvalid, "the URL is longer than 8 KB"))
			return
		}
		if r.ContentLength > l.Body {
			if aboutState(r) {
				writeProblem(w, tooLargeState(l.Body))
				return
			}
			writeProblem(w, problem(http.StatusRequestEntityTooLarge, adminapi.CodeInvalid, fmt.Sprintf("the body is larger than %d KiB", l.Body>>10)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// unhurried gives a caller that was let in the time that a whole state takes, and
// keeps the connection.
func unhurried(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Del("Connection")
		if aboutState(r) {
			limit.Extend(w, r, limit.Limits{Read: stateTimeout, Write: stateTimeout})
		}
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
