package handlers

import (
	"net/http"
	"time"
)

const (
	// maxQuery is the longest query string, in bytes.
	maxQuery = 16 << 10
	// maxBody is the largest body of a request, in bytes.
	maxBody = 64 << 10
	// readTimeout is how long a client may take to send its body, and
	// writeTimeout how long it may take to accept the answer.
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
)

// bounded limits what one request can cost, whatever server it came through. A
// proxied registry on the same host keeps the longer limits that blobs need.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		now := time.Now()
		// Not every ResponseWriter has deadlines; the limits on size hold.
		_ = control.SetReadDeadline(now.Add(readTimeout))
		_ = control.SetWriteDeadline(now.Add(writeTimeout))
		// The next answer on the connection has its own limit. The read
		// deadline stays: the server still drains the rest of the body, and
		// sets another one before it reads the next request.
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
		if len(r.URL.RawQuery) > maxQuery {
			writeError(w, http.StatusBadRequest, errorInvalidRequest, "the query is longer than 16 KB: ask for fewer scopes at once")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}
