package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/process"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// TestRegistryConfigurations runs each registry with its configuration of the examples, but for names, addresses and
// folders, and pushes to it.
func TestRegistryConfigurations(t *testing.T) {
	t.Parallel()
	for file, kind := range map[string]registry.Kind{"distribution-2.8.yml": registry.V2, "distribution-3.yml": registry.V3} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			binary := registryBinary(t, kind)
			server := startDockit(t, dockit.Config{Args: []string{"--service", "registry.example.com"}})
			dir := t.TempDir()
			bundle := filepath.Join(dir, "dockit.pem")
			_, err := server.Admin().Run(t.Context(), "init-container", bundle)
			require.NoError(t, err)
			content, err := os.ReadFile(example(t, "registry-config", file))
			require.NoError(t, err)
			p, err := port.Free(t.Context())
			require.NoError(t, err)
			host := port.Localhost(p)
			config := strings.NewReplacer(
				"https://registry.example.com/v2/token", server.URL+"/v2/token", "addr: :5000", "addr: "+host,
				"/etc/registry/dockit.pem", bundle, "/var/lib/registry", filepath.Join(dir, "storage"),
			).Replace(string(content))
			running, err := process.Start(process.Command{
				Name: file, Path: binary, Args: []string{"serve", writeFile(t, "config.yml", config)},
				Env: append(dockit.Environment(dir), "OTEL_TRACES_EXPORTER=none"), Dir: dir,
			})
			require.NoError(t, err)
			stopAtEnd(t, running)
			require.NoError(t, running.WaitReady(t.Context(), http.DefaultClient, "http://"+host+"/v2/", http.StatusUnauthorized))
			requirePushed(t, client{host: host, username: server.Config().RootUser, password: server.Config().RootPassword}, "team/app")
		})
	}
}

// TestZotConfiguration reads the configuration of zot, which no test runs: neither Debian nor the module proxy has zot.
func TestZotConfiguration(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(example(t, "registry-config", "zot.yaml"))
	require.NoError(t, err)
	var config struct {
		HTTP struct {
			Auth struct {
				Bearer struct{ Realm, Service, Cert string }
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(content, &config))
	require.Equal(t, "https://auth.example.com/v2/token", config.HTTP.Auth.Bearer.Realm)
	require.NotEmpty(t, config.HTTP.Auth.Bearer.Service)
	require.NotEmpty(t, config.HTTP.Auth.Bearer.Cert)
}
