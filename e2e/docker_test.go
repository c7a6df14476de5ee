package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/engine"
)

// dockerEngine is a docker engine of a test.
type dockerEngine struct{ *engine.Engine }

// startEngine runs a docker engine that needs neither networks nor containers until the test ends. A machine that allows
// none, as a container without privileges, cannot run the test.
func startEngine(t *testing.T) dockerEngine {
	t.Helper()
	dockerd, docker := debianProgram(t, "dockerd"), debianProgram(t, "docker")
	if os.Geteuid() != 0 {
		cannot.Run(t, errors.New("a docker engine runs as root"))
	}
	e, err := engine.Start(t.Context(), dockerd, docker)
	require.NotErrorIs(t, err, engine.ErrSilent)
	if err != nil {
		cannot.Run(t, fmt.Errorf("no docker engine runs here: %w", err))
	}
	t.Cleanup(func() {
		assert.NoError(t, e.Stop())
		if t.Failed() {
			t.Logf("%s printed:\n%s", e, e.Excerpt())
		}
	})
	return dockerEngine{e}
}

// docker returns the docker command with a home folder of its own.
func (e dockerEngine) docker(t *testing.T) *program {
	home := t.TempDir()
	run := func(stdin string, args ...string) error { return e.Docker(t.Context(), home, stdin, args...) }
	return &program{
		config: filepath.Join(home, "docker", "config.json"),
		login: func(host, username, password string) error {
			return run(password, "login", host, "--username", username, "--password-stdin")
		},
		push: func(ref string) error {
			image, err := engine.Filesystem(strings.Repeat(t.Name(), 10))
			require.NoError(t, err)
			if err := run(string(image), "import", "-", ref); err != nil {
				return err
			}
			return run("", "push", ref)
		},
		pull: func(ref string) error {
			// What is there already is not pulled.
			_ = run("", "rmi", "--force", ref)
			return run("", "pull", ref)
		},
	}
}
