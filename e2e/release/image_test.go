package release

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/engine"
)

// testImage builds the images of both architectures with a real engine, of the programs of the release.
func (r *release) testImage(t *testing.T) {
	programs := filepath.Join(r.root, "bin", "clients")
	for _, program := range []string{"dockerd", "docker"} {
		if _, err := os.Stat(filepath.Join(programs, program)); err != nil {
			cannot.Run(t, fmt.Errorf("%w: run scripts/get-clients bin/clients", err))
		}
	}
	e, err := engine.Start(t.Context(), filepath.Join(programs, "dockerd"), filepath.Join(programs, "docker"))
	require.NotErrorIs(t, err, engine.ErrSilent)
	if err != nil {
		cannot.Run(t, fmt.Errorf("no docker engine runs here: %w", err))
	}
	t.Cleanup(func() { assert.NoError(t, e.Stop()) })
	for program, stage := range map[string]string{"dockit": engine.Dockit, "dockit-kubernetes": engine.Kubernetes} {
		for _, arch := range []string{"amd64", "arm64"} {
			folder, tag := t.TempDir(), program+":"+arch
			require.NoError(t, engine.Stage(filepath.Join(r.root, "Dockerfile"), stage, r.extract(t, platform{program, "linux", arch}), folder))
			out, err := e.DockerOutput(t.Context(), "build", "--platform", "linux/"+arch, "--build-arg", "VERSION=v"+version, "--build-arg", "COMMIT="+r.commit, "--tag", tag, folder)
			require.NoError(t, err, out)
			about, err := e.DockerOutput(t.Context(), "image", "inspect", "--format",
				`{{.Os}} {{.Architecture}} {{index .Config.Labels "org.opencontainers.image.version"}} {{.Config.User}} {{.Config.Entrypoint}}`, tag)
			require.NoError(t, err, about)
			assert.Equal(t, "linux "+arch+" v"+version+" 65532:65532 ["+program+"]", about)
		}
	}
}
