package litestream

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// TestExample checks that the files of the example fit together. The other tests run its Litestream configuration.
func TestExample(t *testing.T) {
	t.Parallel()
	dir, err := build.Root()
	require.NoError(t, err)
	read := func(name string, into any) {
		t.Helper()
		file, err := os.ReadFile(filepath.Join(dir, "examples", "litestream", name))
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(file, into), name)
	}
	var configuration struct {
		Socket struct{ Path string }
		DBs    []struct {
			Path    string
			Replica struct{ Path string }
		} `yaml:"dbs"`
	}
	var composition struct {
		Services map[string]struct {
			User, Image  string
			Command      []string
			Entrypoint   []string
			Environment  map[string]string
			Volumes      []string
			DependsOn    map[string]struct{ Condition string } `yaml:"depends_on"`
			ReadOnly     bool                                  `yaml:"read_only"`
			Build        string
			Ports        []string
			StopGrace    string   `yaml:"stop_grace_period"`
			Restart      string   `yaml:"restart"`
			CapDrop      []string `yaml:"cap_drop"`
			SecurityOpts []string `yaml:"security_opt"`
		}
		Volumes map[string]any
	}
	read("litestream.yml", &configuration)
	read("compose.yaml", &composition)
	server, sidecar, restore := composition.Services["dockit"], composition.Services["litestream"], composition.Services["restore"]

	assert.Equal(t, configuration.DBs[0].Path, server.Environment["DOCKIT_SQL_DSN"])
	assert.Equal(t, configuration.Socket.Path, server.Environment["DOCKIT_LITESTREAM_SOCKET"])
	assert.Equal(t, configuration.DBs[0].Path, restore.Command[len(restore.Command)-1])
	assert.Contains(t, sidecar.Volumes, "replica:"+configuration.DBs[0].Replica.Path)
	for name, s := range composition.Services {
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			_, defined := composition.Volumes[volume]
			assert.Truef(t, defined || volume == "./litestream.yml", "%s has %s", name, v)
		}
		for other := range s.DependsOn {
			assert.Contains(t, composition.Services, other)
		}
	}
	// All of them use the database's files.
	for _, s := range []string{server.User, restore.User} {
		assert.Equal(t, sidecar.User, s)
	}
	assert.True(t, slices.Contains(composition.Services["prepare"].Command, sidecar.User))

	binary, err := dockitBinary()
	require.NoError(t, err)
	help, err := dockit.CLI{Path: binary, Env: dockit.Environment(t.TempDir())}.Run(t.Context(), "api-server", "--help")
	require.NoError(t, err)
	for name := range server.Environment {
		assert.Contains(t, help, "--"+strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "DOCKIT_")), "_", "-")+" ")
	}
}
