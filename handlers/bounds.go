package handlers

import (
	"net/http"
	"time"

	"github.com/dockit-registry/dockit/handlers/limit"
)

// maxQuery is the longest query string, in bytes.
const maxQuery = 16 << 10

// limits is what a request to an endpoint of registries and clients may cost.
var limits = limit.Limits{Body: 64 << 10, Read: 10 * time.Second, Write: 30 * time.Second}

// bounded limits what one request can cost, whatever server it came through. A
// proxied registry on the same host keeps the longer limits that blobs need.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer limit.Apply(w, r, limits)()
		if len(r.URL.RawQuery) > maxQuery {
			writeError(w, http.StatusBadRequest, errorInvalidRequest, "the query is longer than 16 KB: ask for fewer scopes at once")
			return
		}
		next.ServeHTTP(w, r)
	})
}
