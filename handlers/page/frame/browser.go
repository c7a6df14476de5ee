package frame

import (
	"net/http"
	"strings"

	"github.com/dockit-registry/dockit/internal/auth"
)

// browserNames and systemNames are what people call what stands in the header of a
// browser, which names others as well: the first that is found counts.
var (
	browserNames = [][2]string{
		{"Edg/", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
	}
	systemNames = [][2]string{
		{"Android", "Android"}, {"iPhone", "iOS"}, {"iPad", "iPadOS"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	}
)

// browserName is what people call a browser: Firefox on Linux. It is the header
// itself when that names none.
func browserName(userAgent string) string {
	browser, system := nameIn(userAgent, browserNames), nameIn(userAgent, systemNames)
	if !strings.HasPrefix(userAgent, "Mozilla/") || browser == "" || system == "" {
		return userAgent
	}
	return browser + " on " + system
}

func nameIn(userAgent string, names [][2]string) string {
	for _, name := range names {
		if strings.Contains(userAgent, name[0]) {
			return name[1]
		}
	}
	return ""
}

// named returns a request as one of the browser by its name, for the list of logins.
func named(r *http.Request) *http.Request {
	origin := auth.OriginOf(r.Context())
	origin.Client = browserName(r.UserAgent())
	return r.WithContext(auth.WithOrigin(r.Context(), origin))
}
