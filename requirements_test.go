//go:build !windows

package dockit_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMachineWithoutPackages guards that the tests of a machine without apt, root or network run as far as they can: a script says
// what to do by hand and fails, which ends make in CI alone.
func TestMachineWithoutPackages(t *testing.T) {
	programs := t.TempDir()
	for _, program := range []string{"bash", "env", "dirname", "mkdir", "cut", "sha256sum", "mktemp", "rm"} {
		path, err := exec.LookPath(program)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(programs, program)))
	}
	for _, script := range []string{"get-docker-registry", "get-clients", "get-fail2ban", "get-prometheus", "get-galera", "get-proxies"} {
		command := exec.CommandContext(t.Context(), filepath.Join("scripts", script), t.TempDir())
		command.Env = []string{"PATH=" + programs}
		out, err := command.CombinedOutput()
		require.Error(t, err, script)
		assert.Regexp(t, "^there is no apt-get here: .* by hand\n$", string(out), script)
	}
	for ci, goesOn := range map[string]bool{"": true, "true": false} {
		command := exec.CommandContext(t.Context(), "make", "--dry-run", "test-requirements", "test-mariadb")
		command.Env = append(os.Environ(), "CI="+ci, "MAKEFLAGS=")
		out, err := command.Output()
		require.NoError(t, err)
		found := 0
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "scripts/get-") {
				found++
				assert.Equal(t, goesOn, strings.Contains(line, "||"), "CI=%s: %s", ci, line)
			}
		}
		assert.GreaterOrEqual(t, found, 6)
	}
}
