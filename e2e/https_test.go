package e2e

import (
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// One process serves TLS with a certificate that it got by itself, tokens, and the registry behind the same host.
func TestAutomaticHTTPS(t *testing.T) {
	t.Parallel()
	binary := registryBinary(t, registry.V3)
	registryPort, err := port.Free(t.Context())
	require.NoError(t, err)

	server := startDockit(t, dockit.Config{
		HTTPS: true,
		Args:  []string{"--service", service, "--upstream", port.Localhost(registryPort)},
	})
	admin := server.Admin()
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	_, err = admin.Run(t.Context(), "init-container", bundle)
	require.NoError(t, err)
	startRegistry(t, registry.Config{
		Binary:         binary,
		Port:           registryPort,
		Realm:          server.URL + "/v2/token",
		Service:        service,
		RootCertBundle: bundle,
	})

	alice := client{
		host: server.Host, username: "alice", password: rand.Text(),
		transport: server.Transport(),
	}
	_, err = admin.RunInput(t.Context(), alice.password, "rbac", "add", alice.ref(), "--password-stdin")
	require.NoError(t, err)
	_, err = admin.Run(t.Context(), "rbac", "grant", alice.ref(), "repository:team/app:push")
	require.NoError(t, err)

	requirePushed(t, alice, "team/app")
	requireRefused(t, alice.push(t, "team/other", newImage(t)))
	wrong := alice
	wrong.password = rand.Text()
	_, err = wrong.pull(t, "team/app")
	requireLoginRefused(t, err)

	t.Run("client that does not trust the authority", func(t *testing.T) {
		stranger := alice
		stranger.transport = nil
		_, err := stranger.pull(t, "team/app")
		var unknown x509.UnknownAuthorityError
		require.ErrorAs(t, err, &unknown)
	})
	t.Run("command line that does not trust the authority", func(t *testing.T) {
		stranger := admin
		stranger.Env = append(stranger.Env, "DOCKIT_CA_FILE=")
		_, err := stranger.Run(t.Context(), "rbac", "list", "users")
		requireExitCode(t, 1, err)
		file := filepath.Join(t.TempDir(), "bundle.pem")
		_, err = stranger.Run(t.Context(), "init-container", file)
		requireExitCode(t, 1, err)
		_, err = os.Stat(file)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}
