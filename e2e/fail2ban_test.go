package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// TestFail2ban has the real fail2ban read the log of a real Dockit with the filter of the example.
func TestFail2ban(t *testing.T) {
	t.Parallel()
	root, err := build.Root()
	require.NoError(t, err)
	unpacked := filepath.Join(root, "bin", "fail2ban", "usr")
	program := filepath.Join(unpacked, "bin", "fail2ban-regex")
	if _, err := os.Stat(program); err != nil {
		cannot.Run(t, fmt.Errorf("%w: run scripts/get-fail2ban bin/fail2ban", err))
	}
	server := startDockit(t, dockit.Config{Args: []string{"--service", service, "--refresh-tokens", "--log-format", "json"}})
	admin := server.Admin()
	_, err = admin.Run(t.Context(), "rbac", "add", "robot:ci")
	require.NoError(t, err)
	token, err := admin.Run(t.Context(), "rbac", "token", "create", "robot:ci", "--name", "deploy", "-q")
	require.NoError(t, err)
	token = strings.TrimSpace(token)
	ask := func(username, password, userAgent string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2/token?service="+service, nil)
		require.NoError(t, err)
		if username != "" {
			r.SetBasicAuth(username, password)
		}
		r.Header.Set("User-Agent", userAgent)
		response, err := server.HTTPClient().Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	ask("admin", "wrong", "docker/29") // counts
	ask("nobody", "wrong", "docker/29")
	const elsewhere = `"logger":"dockit.token","msg":"token refused","client_ip":"198.51.100.1","outcome":"unauthorized","grant":"basic",`
	ask("nobody", "also wrong", elsewhere) // counts for who it is

	ask(server.Config().RootUser, server.Config().RootPassword, elsewhere) // does not count
	ask("admin", "wrong", "docker/29")                                     // as before
	ask("admin", "wrong", elsewhere)
	ask("", "", elsewhere)
	ask("another", token, elsewhere)
	ask("", "", "docker/29")

	log := filepath.Join(t.TempDir(), "dockit.log")
	require.NoError(t, os.WriteFile(log, []byte(server.Output()), 0o600))
	filter := filepath.Join(root, "examples", "fail2ban", "filter.d", "dockit.conf")
	command := exec.CommandContext(t.Context(), "/usr/bin/python3", program, "-o", "ip", log, filter)
	command.Env = append(dockit.Environment(t.TempDir()), "PYTHONPATH="+filepath.Join(unpacked, "lib", "python3", "dist-packages"))
	out, err := command.Output()
	require.NoError(t, err, "%s", out)
	const address = `(127\.0\.0\.1|::1)\n`
	require.Regexp(t, "^("+address+"){3}$", string(out), "the log:\n%s", server.Output())
}
