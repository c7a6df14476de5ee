package dockit

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// withoutSession takes the session of the page out of a request that is not Dockit's:
// browsers send it to all of the host, and on every port of it, and the administrator of
// a registry there, or of its log, could go on with it.
func withoutSession(header http.Header) {
	var kept []string
	for _, line := range header.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.TrimSpace(pair)
			if name, _, _ := strings.Cut(pair, "="); pair != "" && !frame.IsSessionCookie(name) {
				kept = append(kept, pair)
			}
		}
	}
	header.Del("Cookie")
	if len(kept) > 0 {
		header.Set("Cookie", strings.Join(kept, "; "))
	}
}

// sessionKeeper keeps an answer that is not Dockit's from setting the session of the
// page: a registry would have who signed in at the page go on as a user it chose.
type sessionKeeper struct {
	*caddyhttp.ResponseWriterWrapper
}

func keepSession(w http.ResponseWriter) sessionKeeper {
	return sessionKeeper{&caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
}

// strip takes the cookie out of the header of the answer.
func (w sessionKeeper) strip() {
	header := w.Header()
	if set := header["Set-Cookie"]; slices.ContainsFunc(set, setsSession) {
		header["Set-Cookie"] = slices.DeleteFunc(slices.Clone(set), setsSession)
	}
}

// setsSession reports whether browsers may send back what a line of Set-Cookie says as
// the session. They take a line that begins with "=" for a cookie without a name, and
// send its value alone, which then reads as a name and a value.
func setsSession(line string) bool {
	pair, _, _ := strings.Cut(line, ";")
	name, _, _ := strings.Cut(strings.TrimLeft(pair, "= \t"), "=")
	return frame.IsSessionCookie(name)
}

// WriteHeader implements [http.ResponseWriter].
func (w sessionKeeper) WriteHeader(status int) {
	w.strip()
	w.ResponseWriterWrapper.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w sessionKeeper) Write(p []byte) (int, error) {
	w.strip()
	return w.ResponseWriterWrapper.Write(p)
}

// ReadFrom implements [io.ReaderFrom].
func (w sessionKeeper) ReadFrom(r io.Reader) (int64, error) {
	w.strip()
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError is for [http.ResponseController].
func (w sessionKeeper) FlushError() error {
	w.strip()
	return http.NewResponseController(w.ResponseWriter).Flush()
}
