package connections

import (
	"context"
	"net/http"
)

// goneWriter writes nothing for a stream of HTTP/2 whose client has reset it. The
// server would accept it, and have a deadline for that which it keeps, with the
// connection and all that waits there, until the deadline comes.
type goneWriter struct {
	http.ResponseWriter
	request context.Context
}

// UnlessGone returns a writer for a request that writes as long as its client waits.
func UnlessGone(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if r.ProtoMajor < 2 {
		return w // the connection has no other use
	}
	return &goneWriter{w, r.Context()}
}

// WriteHeader implements [http.ResponseWriter].
func (w *goneWriter) WriteHeader(status int) {
	if w.request.Err() == nil {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements [http.ResponseWriter].
func (w *goneWriter) Write(b []byte) (int, error) {
	if err := w.request.Err(); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (w *goneWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
