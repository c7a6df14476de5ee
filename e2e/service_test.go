package e2e

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// A token for one registry opens no other one, although both trust the same Dockit.
func TestServices(t *testing.T) {
	t.Parallel()
	const one, other = "one.test", "other.test"
	binary := registryBinary(t, registry.V3)
	server := startDockit(t, dockit.Config{Args: []string{"--service", one, "--service", other}})
	admin := server.Admin()
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	_, err := admin.Run(t.Context(), "init-container", bundle)
	require.NoError(t, err)
	_, err = admin.Run(t.Context(), "rbac", "grant", "user:anonymous", "repository:team/app:pull")
	require.NoError(t, err)

	const tags, scope = "/v2/team/app/tags/list", "repository:team/app:pull"
	for _, name := range []string{one, other} {
		r := startRegistry(t, registry.Config{
			Binary: binary, Realm: server.URL + "/v2/token", Service: name, RootCertBundle: bundle,
		})
		for _, tokenFor := range []string{one, other} {
			// What was let in does not find the repository, which nobody has pushed.
			want := http.StatusUnauthorized
			if tokenFor == name {
				want = http.StatusNotFound
			}
			token := registryToken(t, server.URL, tokenFor, scope)
			require.Equal(t, want, statusWithToken(t, r.Host, tags, token), "token for %s at %s", tokenFor, name)
		}
		require.Equal(t, http.StatusUnauthorized, statusWithToken(t, r.Host, "/v2/_catalog", registryToken(t, server.URL, name, scope)))
	}
}
