// Package limit bounds what one HTTP request can cost, whatever server it came
// through.
package limit

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// Limits is what one request may cost.
type Limits struct {
	// Body is the largest body, in bytes.
	Body int64
	// Read is how long a client may take to send its body.
	Read time.Duration
	// Write is how long a client may take to accept the answer.
	Write time.Duration
}

// Apply sets the limits on a request before anything of its body is read. The
// returned function must be called once the request is answered.
//
// The deadline to read ends with the body. After that the server reads on only
// to find out whether the client goes away, and a deadline would end the context
// of this request and of every later one on the connection. It stays when the
// body is not read to its end: the server still drains what no handler read, and
// sets another one before the next request.
func Apply(w http.ResponseWriter, r *http.Request, l Limits) (done func()) {
	if r.ProtoMajor > 1 {
		return applyToStream(w, r, l)
	}
	control, now := http.NewResponseController(w), time.Now()
	// Not every ResponseWriter has deadlines; the limit on size holds.
	_ = control.SetWriteDeadline(now.Add(l.Write))
	original := r.Body
	ended := func() { _ = control.SetReadDeadline(time.Time{}) }
	if r.ContentLength == 0 { // a body of unknown length has -1
		ended()
	} else {
		_ = control.SetReadDeadline(now.Add(l.Read))
		r.Body = &body{http.MaxBytesReader(w, r.Body, l.Body), ended}
	}
	return func() {
		// The server lingers for a client that still sends, if it knows the body.
		r.Body = original
		_ = control.SetWriteDeadline(time.Time{})
	}
}

// Extend sets other times for the rest of a request that [Apply] was called for:
// they count from now. Before anything of the body was read, that is.
func Extend(w http.ResponseWriter, r *http.Request, l Limits) {
	if s, ok := r.Context().Value(streamKey{}).(*stream); ok {
		s.limit(l)
		return
	}
	control, now := http.NewResponseController(w), time.Now()
	_ = control.SetWriteDeadline(now.Add(l.Write))
	if r.ContentLength != 0 {
		_ = control.SetReadDeadline(now.Add(l.Read))
	}
}

// body cannot be closed by a handler. The server takes a body that was closed
// for one that was read to its end: after a body that was cut short, it would
// read what comes late as the next request.
type body struct {
	io.Reader
	ended func()
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended()
	}
	return n, err
}

// Close implements [io.Closer].
func (*body) Close() error { return nil }
