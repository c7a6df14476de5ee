package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// Whenever init-container is killed, the file is all of the old or all of the new.
func TestInitContainerKilled(t *testing.T) {
	t.Parallel()
	server := startDockit(t, dockit.Config{Args: []string{"--service", service}})
	folder := t.TempDir()
	path := filepath.Join(folder, "bundle.pem")
	const old = "what was there before\n"
	cli := server.CLI("", "")
	fresh := get(t, server.URL+"/v2/certs/pem")

	killed, finished := 0, 0
	// The delays sweep over the life of the command, from its start to after its end.
	for delay := time.Duration(0); finished < 3 && delay < 2*time.Second; delay += 2 * time.Millisecond {
		require.NoError(t, os.WriteFile(path, []byte(old), 0o600))
		ctx, cancel := context.WithTimeout(t.Context(), delay)
		cmd := exec.CommandContext(ctx, cli.Path, "init-container", path) // killed with SIGKILL at the end of the time
		cmd.Env = cli.Env
		if err := cmd.Run(); err != nil {
			killed++
		} else {
			finished++
		}
		cancel()
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		if string(content) != old {
			require.Equal(t, fresh, string(content), "killed after %s", delay)
		}
	}
	require.Positive(t, killed)
	require.Equal(t, 3, finished)
}
