package limit

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// stream bounds a request of HTTP/2, or later, by timers of its own. The server
// keeps a deadline that is set on a stream which the client has just reset, and
// with it the stream, its connection and all that waits there, until it comes.
type stream struct {
	control *http.ResponseController

	mu          sync.Mutex
	read, write *time.Timer
	readEnded   bool
	done        bool
}

type streamKey struct{}

func applyToStream(w http.ResponseWriter, r *http.Request, l Limits) (done func()) {
	s := &stream{control: http.NewResponseController(w), readEnded: r.ContentLength == 0}
	s.limit(l)
	original := *r
	*r = *r.WithContext(context.WithValue(r.Context(), streamKey{}, s))
	if !s.readEnded {
		r.Body = &streamBody{http.MaxBytesReader(w, r.Body, l.Body), s}
	}
	return func() {
		*r = original
		s.end()
	}
}

// limit sets the times, which count from now.
func (s *stream) limit(l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	s.write = time.AfterFunc(l.Write, func() { s.cut((*http.ResponseController).SetWriteDeadline) })
	if !s.readEnded {
		s.read = time.AfterFunc(l.Read, func() { s.cut((*http.ResponseController).SetReadDeadline) })
	}
}

// cut sets a deadline that has passed: the server acts on that at once.
func (s *stream) cut(deadline func(*http.ResponseController, time.Time) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done { // else there is no stream any more
		_ = deadline(s.control, time.Now().Add(-time.Second))
	}
}

// stop is called with the lock held.
func (s *stream) stop() {
	for _, timer := range []*time.Timer{s.read, s.write} {
		if timer != nil {
			timer.Stop()
		}
	}
}

func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	s.done = true
}

// bodyEnded lets the client take its time from now on, but for the answer.
func (s *stream) bodyEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readEnded = true
	if s.read != nil {
		s.read.Stop()
	}
}

type streamBody struct {
	io.ReadCloser
	stream *stream
}

// Read implements [io.Reader].
func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.stream.bodyEnded()
	}
	return n, err
}
