package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// TestChartIsAnArtifact has the chart that make packs pushed to a registry behind Dockit by helm's library, and pulled by somebody
// who may do that alone.
func TestChartIsAnArtifact(t *testing.T) {
	t.Parallel()
	root, err := build.Root()
	require.NoError(t, err)
	archive := filepath.Join(t.TempDir(), "charts", "dockit.tgz")
	said, err := exec.CommandContext(t.Context(), "make", "-C", root, "chart", "CHART="+archive).CombinedOutput()
	require.NoError(t, err, "%s", said)
	packed, err := os.ReadFile(archive)
	require.NoError(t, err)

	s := startStack(t, registry.V3)
	pusher, puller := s.addUser(t, "pusher"), s.addUser(t, "puller")
	s.grant(t, pusher.ref(), "repository:charts/dockit:push")
	s.grant(t, puller.ref(), "repository:charts/dockit:pull")
	as := func(c client) func(args ...string) error {
		home := t.TempDir()
		run := func(args ...string) error { return runProgram(t.Context(), home, "", built(t, buildHelm), args...) }
		require.NoError(t, run("login", c.host, c.username, c.password))
		return run
	}
	reference := s.registry.Host + "/charts/dockit:0.1.0"
	require.NoError(t, as(pusher)("push-file", reference, archive))
	pulled := filepath.Join(t.TempDir(), "pulled.tgz")
	require.NoError(t, as(puller)("pull-file", reference, pulled))
	content, err := os.ReadFile(pulled)
	require.NoError(t, err)
	assert.Equal(t, packed, content)
	require.Error(t, as(puller)("push-file", reference, archive), "who may pull alone")
}
