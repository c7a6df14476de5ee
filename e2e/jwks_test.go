package e2e

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// A registry that is configured with a JWK set alone refuses tokens with a certificate chain, so its service has
// the profile jwks. One Dockit serves it beside a registry with a bundle.
func TestJWKS(t *testing.T) {
	t.Parallel()
	binary := registryBinary(t, registry.V3)
	p, err := port.Free(t.Context())
	require.NoError(t, err)
	server := startDockit(t, dockit.Config{
		Port: p,
		Caddyfile: writeFile(t, "Caddyfile", fmt.Sprintf(`{
	admin off
	persist_config off
	grace_period 10s
	dockit {
		service %s {
			profile jwks
		}
		service bundle.test
		database sqlite {env.HOME}/dockit.sqlite
		root_user {env.DOCKIT_ROOT_USER} {env.DOCKIT_ROOT_PASSWORD}
	}
}

http://%s {
	dockit
}
`, service, port.Localhost(p))),
	})
	admin := server.Admin()
	keys := filepath.Join(t.TempDir(), "keys.json")
	_, err = admin.Run(t.Context(), "init-container", keys, "--format", "jwks", "--service", service)
	require.NoError(t, err)

	r := startRegistry(t, registry.Config{
		Binary:  binary,
		Realm:   server.URL + "/v2/token",
		Service: service,
		JWKS:    keys,
	})
	alice := client{host: r.Host, username: "alice", password: rand.Text()}
	_, err = admin.RunInput(t.Context(), alice.password, "rbac", "add", alice.ref(), "--password-stdin")
	require.NoError(t, err)
	_, err = admin.Run(t.Context(), "rbac", "grant", alice.ref(), "repository:team/app:push")
	require.NoError(t, err)
	requirePushed(t, alice, "team/app")
	requireRefused(t, alice.push(t, "team/other", newImage(t)))
}
