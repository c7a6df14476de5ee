package dockit

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRegistryBesideThePageIsConfined guards that nothing that was pushed acts as the page, that the answers of a registry are
// otherwise as it gives them, and that they come as they are written.
func TestRegistryBesideThePageIsConfined(t *testing.T) {
	more := make(chan struct{})
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<script>alert(1)</script>\n")
		if strings.HasSuffix(r.URL.Path, "/slow") {
			assert.NoError(t, http.NewResponseController(w).Flush())
			<-more
			_, _ = io.WriteString(w, "the rest\n")
		}
	}))
	t.Cleanup(registry.Close)
	upstream := strings.TrimPrefix(registry.URL, "http://")
	for name, c := range map[string]struct {
		endpoints, path string
		confined        bool
	}{
		"a blob":             {"", "/v2/evil/blobs/sha256:1", true},
		"a manifest":         {"", "/v2/evil/manifests/latest", true},
		"beside the page":    {"token certs ui", "/v2/evil/blobs/sha256:1", true},
		"without the page":   {"token certs", "/v2/evil/blobs/sha256:1", false},
		"outside of /v2/":    {"", "/elsewhere", false},
		"two slashes":        {"", "//v2/evil/blobs/x", true},
		"a dot":              {"", "/./v2/evil/blobs/x", true},
		"an escaped slash":   {"", "/%2fv2/evil/blobs/x", true},
		"a path of the page": {"token", "/dockit/", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.handlers = "dockit " + c.endpoints + "\n\treverse_proxy " + upstream
			mustLoad(t, s.String())
			resp, err := newClient(t).Get(s.url(c.path))
			require.NoError(t, err)
			defer resp.Body.Close()
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			assert.Equal(t, c.confined, resp.Header.Get("Content-Security-Policy") == "sandbox")
			assert.Equal(t, c.confined, resp.Header.Get("X-Content-Type-Options") == "nosniff")
			assert.Equal(t, "text/html", resp.Header.Get("Content-Type"))
		})
	}
	t.Run("without the session of the page", func(t *testing.T) {
		s := newSite(t)
		cookies := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.Join(r.Header["Cookie"], "|"))
		}))
		t.Cleanup(cookies.Close)
		s.handlers = "dockit\n\treverse_proxy " + strings.TrimPrefix(cookies.URL, "http://")
		mustLoad(t, s.String())
		for _, path := range []string{"/", "/v2/", "/v2/team/app/manifests/latest"} {
			for sent, want := range map[string]string{
				"a=1; __Host-dockit=dockitpage_x; b=2": "a=1; b=2", "__Host-dockit=dockitpage_x": "", "__Host-docker=x": "__Host-docker=x", "": "",
			} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url(path), http.NoBody)
				require.NoError(t, err)
				if sent != "" {
					req.Header.Set("Cookie", sent)
				}
				resp, err := newClient(t).Do(req)
				require.NoError(t, err)
				got, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, want, string(got), "%s at %s", sent, path)
			}
		}
	})
	t.Run("as it is written", func(t *testing.T) {
		s := newSite(t)
		s.handlers = "dockit\n\treverse_proxy " + upstream + " {\n\t\tflush_interval -1\n\t}"
		mustLoad(t, s.String())
		resp, err := newClient(t).Get(s.url("/v2/slow"))
		require.NoError(t, err)
		defer resp.Body.Close()
		body := bufio.NewReader(resp.Body)
		line, err := body.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "<script>alert(1)</script>\n", line, "before the answer is whole")
		close(more)
		rest, err := io.ReadAll(body)
		require.NoError(t, err)
		assert.Equal(t, "the rest\n", string(rest))
	})
}
