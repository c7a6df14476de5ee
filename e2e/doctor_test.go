package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// The doctor says in words why a real registry refuses tokens, or that it does not.
func TestDoctor(t *testing.T) {
	t.Parallel()
	for _, kind := range registry.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			server := startDockit(t, dockit.Config{Args: []string{"--service", service}})
			bundle := filepath.Join(t.TempDir(), "bundle.pem")
			runAll(t, server.Admin(), []string{"init-container", bundle})
			start := func(change func(*registry.Config)) *registry.Registry {
				c := registry.Config{Binary: registryBinary(t, kind), Realm: server.URL + "/v2/token", Service: service, RootCertBundle: bundle}
				change(&c)
				return startRegistry(t, c)
			}
			// examine returns what the doctor prints and whether it found something.
			examine := func(r *registry.Registry, args ...string) (string, bool) {
				out, err := server.Admin().Run(t.Context(), append([]string{"rbac", "pki", "doctor", "--registry", r.Host}, args...)...)
				var exit *dockit.Error
				if err != nil {
					require.ErrorAs(t, err, &exit)
					require.Equal(t, 1, exit.Code, "%v", err)
				}
				return out, err != nil
			}

			healthy := start(func(*registry.Config) {})
			out, ill := examine(healthy)
			assert.False(t, ill, out)
			assert.Contains(t, out, "the registry accepts one of this Dockit")

			out, ill = examine(start(func(c *registry.Config) { c.Service = "other" }))
			assert.True(t, ill)
			assert.Contains(t, out, `unknown service "other": this Dockit has `+service)

			wrongIssuer := start(func(c *registry.Config) { c.Issuer = "other" })
			out, ill = examine(wrongIssuer)
			assert.True(t, ill)
			assert.Contains(t, out, `wrong issuer: REGISTRY_AUTH_TOKEN_ISSUER at the registry must be "dockit"`)
			out, _ = examine(wrongIssuer, "--issuer", "other", "--bundle", bundle)
			assert.Contains(t, out, `wrong issuer: the registry has "other", and Dockit is "dockit"`)
			assert.Contains(t, out, "holds what this token was signed under")

			out, ill = examine(start(func(c *registry.Config) { c.Realm = "http://localhost:1/v2/token" }))
			assert.True(t, ill)
			assert.Contains(t, out, "http://localhost:1/v2/token cannot be reached from here")

			// What such a registry makes up, nobody sets.
			out, ill = examine(start(func(c *registry.Config) { c.Extra = []string{"REGISTRY_AUTH_TOKEN_AUTOREDIRECT=true"} }))
			assert.True(t, ill)
			assert.Contains(t, out, "/auth/token is the registry's own address, of which it makes a realm because autoredirect is on")
			if kind == registry.V3 {
				out, ill = examine(start(func(c *registry.Config) { c.Extra = []string{"REGISTRY_AUTH_TOKEN_SIGNINGALGORITHMS=[RS256]"} }),
					"--issuer", "dockit", "--bundle", bundle)
				assert.True(t, ill)
				assert.Contains(t, out, "maybe cause: signingalgorithms at the registry does not name ES256")
				assert.NotContains(t, out, "WRONG cause")

				keys := filepath.Join(t.TempDir(), "keys.json")
				runAll(t, server.Admin(), []string{"init-container", keys, "--format", "jwks"})
				byID := start(func(c *registry.Config) { c.RootCertBundle, c.JWKS = "", keys })
				out, ill = examine(byID, "--issuer", "dockit", "--bundle", keys)
				assert.True(t, ill)
				assert.Contains(t, out, `give the service "`+service+`" the profile jwks`)
				assert.NotContains(t, out, "older than the key")
			}

			// After two switches, the registry does not know the authority any more.
			old, err := os.ReadFile(bundle)
			require.NoError(t, err)
			runAll(t, server.Admin(), []string{"rbac", "pki", "rotate-ca"})
			out, ill = examine(healthy)
			assert.False(t, ill, out)
			runAll(t, server.Admin(), []string{"rbac", "pki", "rotate-ca", "--force"})
			out, ill = examine(healthy)
			assert.True(t, ill)
			assert.Contains(t, out, "bundle older than the certificate authority in use")
			out, _ = examine(healthy, "--bundle", writeFile(t, "old.pem", string(old)))
			assert.Contains(t, out, "it is older than the key or certificate authority in use")

			runAll(t, server.Admin(), []string{"init-container", bundle})
			out, _ = examine(healthy, "--bundle", bundle, "--issuer", "dockit")
			assert.Contains(t, out, "so restart it")
			out, ill = examine(start(func(*registry.Config) {}))
			assert.False(t, ill, out)
		})
	}
}
