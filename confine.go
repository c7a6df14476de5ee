package dockit

import (
	"net/http"
	"path"
	"strings"

	"github.com/dockit-registry/dockit/handlers"
)

// confine keeps what a registry serves on the host of the page from being one: a
// manifest or a layer that a user pushed as a document of HTML would else act as
// who looks at it. However the path is written that it, or a proxy before it, may
// take for one below /v2/.
func (h *Handler) confine(w http.ResponseWriter, r *http.Request) {
	if h.endpoints&handlers.UI == 0 || !strings.HasPrefix(path.Clean("/"+r.URL.Path)+"/", "/v2/") {
		return
	}
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Content-Security-Policy", "sandbox") // beside what a site has of its own
}
