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

// TestErrorsBesideThePageSetNoSession guards that a registry that answers in place of one that is away neither sees nor sets the
// session, where the directive stands before it in handle_errors as well.
func TestErrorsBesideThePageSetNoSession(t *testing.T) {
	var seen string
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("Cookie")
		w.Header().Add("Set-Cookie", "registry=1; Path=/")
		w.Header().Add("Set-Cookie", "__Host-dockit=dockitpage_x; Path=/; Secure")
		_, _ = io.WriteString(w, "in its place")
	}))
	t.Cleanup(registry.Close)
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	s := newSite(t)
	s.handlers = "dockit\n\treverse_proxy " + strings.TrimPrefix(away.URL, "http://") +
		"\n\thandle_errors {\n\t\tdockit\n\t\treverse_proxy " + strings.TrimPrefix(registry.URL, "http://") + "\n\t}"
	mustLoad(t, s.String())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url("/v2/"), http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Cookie", "a=1; __Host-dockit=dockitpage_y; dockit=dockitpage_z")
	resp, err := newClient(t).Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "in its place", string(body))
	assert.Equal(t, []string{"registry=1; Path=/"}, resp.Header["Set-Cookie"])
	assert.Equal(t, "a=1", seen)
}
