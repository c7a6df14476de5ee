package cli

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/cli/clitest"
)

// TestHealthOverTLS asks a server whose authority is not the system's, and one
// that sends elsewhere.
func TestHealthOverTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/readyz", "/page/readyz":
			clitest.Answers(http.StatusOK, `{"status":"ready"}`)(w, r)
		case "/v2/token":
			assert.Empty(t, r.Header.Get("Authorization"), "as nobody")
			assert.Equal(t, "repository:health:pull", r.FormValue("scope"))
			if r.FormValue("service") == "registry.test" {
				clitest.Answers(http.StatusOK, `{"token":"a.b.c"}`)(w, r)
				return
			}
			clitest.Answers(http.StatusBadRequest, `{"error":"unknown service"}`)(w, r)
		case "/page/v2/token":
			clitest.Answers(http.StatusOK, "<html>welcome</html>")(w, r)
		case "/moved/readyz":
			http.Redirect(w, r, "/readyz", http.StatusMovedPermanently)
		case "/silent/readyz":
			clitest.Answers(http.StatusBadGateway, "\x1b[31mno JSON")(w, r)
		}
	}))
	t.Cleanup(server.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(authority, content, 0o600))

	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"authority of one's own":        {args: []string{server.URL, "--ca-file", authority}, says: "ready\n"},
		"authority that is not trusted": {args: []string{server.URL}, code: 1, says: "--ca-file"},
		"not verified":                  {args: []string{server.URL, "--insecure"}, says: "Warning: the server's TLS certificate is not verified"},
		"redirect":                      {args: []string{server.URL + "/moved", "--ca-file", authority}, code: 1, says: `it redirects to "/readyz"`},
		"status without a reason":       {args: []string{server.URL + "/silent", "--ca-file", authority}, code: 1, says: "readyz: status 502 Bad Gateway\n"},
		"a token":                       {args: []string{server.URL, "--insecure", "--token-for", "registry.test"}, says: "ready\nit issues tokens for registry.test\n"},
		"no token": {
			args: []string{server.URL, "--insecure", "--token-for", "registry.test", "--token-for", "other.test"}, code: 1, says: `no token for other.test: status 400 Bad Request: {"error":"unknown service"}`,
		},
		"no Dockit": {args: []string{server.URL + "/page", "--insecure", "--token-for", "registry.test"}, code: 1, says: "is that Dockit?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := NewCommand()
			var output bytes.Buffer
			cmd.SetOut(&output)
			cmd.SetErr(&output)
			assert.Equal(t, c.code, Execute(cmd, append([]string{"health"}, c.args...)), output.String())
			assert.Contains(t, output.String(), c.says)
		})
	}
}
