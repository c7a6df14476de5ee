// Package limit bounds what one HTTP request can cost, whatever server it came
// through.
package limit

import (
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
// The deadline to read stays after that: the server still drains what nobody
// read of the body, and sets another one before the next request.
func Apply(w http.ResponseWriter, r *http.Request, l Limits) (done func()) {
	control, now := http.NewResponseController(w), time.Now()
	// Not every ResponseWriter has deadlines; the limit on size holds.
	_ = control.SetReadDeadline(now.Add(l.Read))
	_ = control.SetWriteDeadline(now.Add(l.Write))
	r.Body = body{http.MaxBytesReader(w, r.Body, l.Body)}
	return func() { _ = control.SetWriteDeadline(time.Time{}) }
}

// body cannot be closed by a handler. The server takes a body that was closed
// for one that was read to its end: after a body that was cut short, it would
// read what comes late as the next request.
type body struct{ io.Reader }

func (body) Close() error { return nil }
