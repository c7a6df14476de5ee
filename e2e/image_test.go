package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/engine"
	"github.com/dockit-registry/dockit/e2e/internal/port"
)

// TestImage builds the last stage of the Dockerfile with a real engine, and runs it as the examples do. The first stage, whose
// base nothing can pull here, is replaced by what it makes; the image for arm64 is built with what a release has for it.
func TestImage(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	docker := func(args ...string) (string, error) { return e.DockerOutput(t.Context(), args...) }
	root, err := build.Root()
	require.NoError(t, err)
	folder := t.TempDir()
	require.NoError(t, engine.Stage(filepath.Join(root, "Dockerfile"), engine.Dockit, built(t, buildDockit), folder))
	out, err := docker("build", "--build-arg", "VERSION=v1.2.3", "--build-arg", "COMMIT=abc", "--tag", "dockit", folder)
	require.NoError(t, err, out)

	inspected, err := docker("image", "inspect", "--format", "{{json .Config}}", "dockit")
	require.NoError(t, err, inspected)
	var config struct {
		User        string
		Volumes     map[string]any
		Labels      map[string]string
		Healthcheck struct{ Test []string }
		Entrypoint  []string
		Cmd         []string
	}
	require.NoError(t, json.Unmarshal([]byte(inspected), &config))
	assert.Equal(t, "65532:65532", config.User, "Kubernetes asks for a number to see that it is not root")
	assert.Contains(t, config.Volumes, "/data")
	assert.Equal(t, []string{"CMD", "dockit", "health"}, config.Healthcheck.Test)
	assert.Equal(t, []string{"dockit", "api-server"}, append(config.Entrypoint, config.Cmd...))
	assert.Equal(t, "v1.2.3", config.Labels["org.opencontainers.image.version"])
	assert.Equal(t, "abc", config.Labels["org.opencontainers.image.revision"])
	assert.Equal(t, "Apache-2.0", config.Labels["org.opencontainers.image.licenses"])
	assert.NotEmpty(t, config.Labels["org.opencontainers.image.source"])

	p, err := port.Free(t.Context())
	require.NoError(t, err)
	address := port.Localhost(p)
	id, err := docker("run", "--detach", "--network", "host", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--env", "DOCKIT_LISTEN="+address, "--env", "DOCKIT_BASE_URL=http://"+address, "dockit")
	if err != nil {
		cannot.Run(t, fmt.Errorf("the image is built, and was looked at, but no container runs here: %s", id))
	}
	logs := func() string {
		said, _ := docker("logs", id)
		return said
	}
	defer func() { _, _ = docker("rm", "--force", id) }() // it is gone, as a rule
	require.Eventually(t, func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/readyz", nil)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}, time.Minute, 100*time.Millisecond, logs())
	healthy, err := docker("exec", id, "dockit", "health")
	require.NoError(t, err, healthy)
	out, err = docker("stop", id)
	require.NoError(t, err, out)
	code, err := docker("inspect", "--format", "{{.State.ExitCode}}", id)
	require.NoError(t, err)
	assert.Equal(t, "0", code, logs())
	out, err = docker("rm", id)
	require.NoError(t, err, out)
}
