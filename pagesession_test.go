package dockit

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRegistryBesideThePageSetsNoSession guards that a registry on the host of the page
// cannot have a browser go on with a session that the registry chose.
func TestRegistryBesideThePageSetsNoSession(t *testing.T) {
	const own = "registry=1; Path=/"
	var line string
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", own)
		w.Header().Add("Set-Cookie", line)
		switch r.URL.Path {
		case "/v2/flushed":
			assert.NoError(t, http.NewResponseController(w).Flush())
			_, _ = io.WriteString(w, "an answer")
		case "/v2/hinted":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		case "/v2/none":
			w.WriteHeader(http.StatusNotModified)
		default:
			_, _ = io.WriteString(w, "an answer")
		}
	}))
	t.Cleanup(registry.Close)
	s := newSite(t)
	s.handlers = "dockit\n\treverse_proxy " + strings.TrimPrefix(registry.URL, "http://")
	mustLoad(t, s.String())
	for name, c := range map[string]struct {
		line  string
		taken bool
	}{
		"the session":                   {"__Host-dockit=dockitpage_x; Path=/; Secure", true},
		"in other letters":              {"__HOST-Dockit=dockitpage_x; Path=/; Secure", true},
		"with blanks around":            {"\t __Host-dockit \t=dockitpage_x; Path=/; Secure", true},
		"without a name":                {"=__Host-dockit=dockitpage_x; Path=/; Secure", true},
		"without a name, and blanks":    {" = __Host-dockit=dockitpage_x; Path=/; Secure", true},
		"without a value":               {"__Host-dockit", true},
		"its end":                       {"__Host-dockit=; Path=/; Secure; Max-Age=0", true},
		"that of this machine":          {"dockit=dockitpage_x; Path=/dockit/", true},
		"a name that begins like it":    {"__Host-dockit2=1; Path=/; Secure", false},
		"a value that is named so":      {"a=__Host-dockit=1", false},
		"another, with the page's path": {"dockit-theme=dark; Path=/dockit/", false},
	} {
		t.Run(name, func(t *testing.T) {
			line = c.line
			want := []string{own}
			if !c.taken {
				want = append(want, c.line)
			}
			for _, path := range []string{"/v2/", "/v2/flushed", "/v2/hinted", "/v2/none", "/elsewhere"} {
				hinted := want
				trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
						hinted = header["Set-Cookie"]
						return nil
					},
				})
				req, err := http.NewRequestWithContext(trace, http.MethodGet, s.url(path), http.NoBody)
				require.NoError(t, err)
				resp, err := newClient(t).Do(req)
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, want, resp.Header["Set-Cookie"], path)
				assert.Equal(t, want, hinted, "before the answer of %s", path)
			}
		})
	}
}
