package dockit

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/requestbody"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls/standardstek"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
	_ "github.com/caddyserver/caddy/v2/modules/metrics"

	"github.com/dockit-registry/dockit/internal/freeport"
)

const (
	rootName     = "root"
	rootPassword = "correct-horse-battery"
	// rootPasswordVariable keeps the password out of the configuration.
	rootPasswordVariable = "DOCKIT_TEST_ROOT_PASSWORD"
)

// adapt turns a Caddyfile into JSON.
func adapt(t testing.TB, name, content string) []byte {
	t.Helper()
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(content), map[string]any{"filename": name})
	require.NoError(t, err)
	return config
}

// load runs a Caddyfile in this process, as a start or a reload. The end of
// the test stops it.
func load(t testing.TB, caddyfile string) error {
	t.Helper()
	t.Cleanup(func() { _ = caddy.Stop() })
	return caddy.Load(adapt(t, "Caddyfile", caddyfile), true)
}

func mustLoad(t testing.TB, caddyfile string) {
	t.Helper()
	require.NoError(t, load(t, caddyfile))
}

// site is a Caddyfile with Dockit on one port of this machine.
type site struct {
	port     int
	dsn      string
	dockit   string // more subdirectives of the global option
	global   string // more global options
	handlers string // instead of the directive dockit
}

func newSite(t testing.TB) site {
	t.Helper()
	t.Setenv(rootPasswordVariable, rootPassword)
	return site{port: freePort(t), dsn: filepath.Join(t.TempDir(), "dockit.sqlite")}
}

func (s site) String() string {
	handlers := s.handlers
	if handlers == "" {
		handlers = "dockit"
	}
	return fmt.Sprintf(`{
	admin off
	persist_config off
	default_bind 127.0.0.1
	grace_period 10s
	log {
		level ERROR
	}
	%s
	dockit {
		service registry.example.com
		database sqlite %s
		root_user %s %s
		%s
	}
}
http://:%d {
	%s
}
`, s.global, s.dsn, rootName, "{env."+rootPasswordVariable+"}", s.dockit, s.port, handlers)
}

func (s site) url(path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", s.port, path) }

func freePort(t testing.TB) int {
	t.Helper()
	port, err := freeport.Next(t.Context())
	require.NoError(t, err)
	return port
}

// get returns status and body of a request, with the root user's credentials
// for the admin API. Like [askCounting], it sends a request again that Caddy
// left without an answer during a reload.
func get(t testing.TB, client *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	if strings.Contains(url, "/dockit/api/") {
		req.SetBasicAuth(rootName, rootPassword)
	}
	resp, err := client.Do(req)
	if unanswered(err) {
		resp, err = client.Do(req)
	}
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}
