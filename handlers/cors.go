package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rs/cors"

	"github.com/dockit-registry/dockit/internal/printable"
)

// preflightLife is how long a browser remembers that it may ask. Browsers cap
// it at two hours and less.
const preflightLife = time.Hour

// ValidateOrigin checks an origin whose pages may ask for tokens, in the form
// in which browsers send it (RFC 6454): scheme, host and port unless that is
// the scheme's own. There are no wildcards.
func ValidateOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("origin %q: write scheme and host of the page, as https://ui.example.com", printable.Clip(origin))
	}
	port := u.Port()
	if u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		return fmt.Errorf("origin %q: browsers leave out port %s of %s: write %s://%s", printable.Clip(origin), port, u.Scheme, u.Scheme, u.Hostname())
	}
	for _, c := range u.Host {
		if c == '*' || c >= 'A' && c <= 'Z' || c > '~' {
			return fmt.Errorf("origin %q: write the whole host in lower case (IDNA: as xn--…), without wildcards", printable.Clip(origin))
		}
	}
	if want := u.Scheme + "://" + u.Host; origin != want {
		return fmt.Errorf("origin %q: write nothing but scheme, host and port: %s", printable.Clip(origin), want)
	}
	return nil
}

// allowOrigins lets pages of the given origins ask for tokens with credentials
// (Fetch standard, CORS protocol). Other origins get no header that a browser
// would let them read the answer by.
func allowOrigins(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins:   origins,
		AllowedMethods:   []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:   []string{"Authorization", "Content-Type"},
		AllowCredentials: true, // pages ask with XMLHttpRequest.withCredentials
		MaxAge:           int(preflightLife.Seconds()),
	}).Handler(next)
}
