package dockit

import (
	"net/http"
	"path"
	"strings"

	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/handlers/page/frame"
)

// confine keeps what a registry serves on the host of the page from being one: a
// manifest or a layer that somebody pushed as a document of HTML would else act as
// who looks at it. However the path is written that it, or a proxy before it, may
// take for one below /v2/.
func (h *Handler) confine(w http.ResponseWriter, r *http.Request) {
	withoutSession(r.Header)
	if h.endpoints&handlers.UI == 0 || !strings.HasPrefix(path.Clean("/"+r.URL.Path)+"/", "/v2/") {
		return
	}
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Content-Security-Policy", "sandbox") // beside what a site has of its own
}

// withoutSession takes the session of the page out of a request that is not Dockit's:
// browsers send it to all of the host, and on every port of it, and whoever runs a
// registry there, or reads what it logs, could go on with it.
func withoutSession(header http.Header) {
	var kept []string
	for _, line := range header.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.TrimSpace(pair)
			if name, _, _ := strings.Cut(pair, "="); pair != "" && strings.TrimSpace(name) != frame.SessionCookie {
				kept = append(kept, pair)
			}
		}
	}
	header.Del("Cookie")
	if len(kept) > 0 {
		header.Set("Cookie", strings.Join(kept, "; "))
	}
}
