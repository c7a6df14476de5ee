package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/port"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// rotationPulls is how many images are pulled while keys rotate.
const rotationPulls = 10_000

// scaled is fewer pulls where a short test is asked for.
func scaled(pulls int) int {
	if testing.Short() {
		return pulls / 10
	}
	return pulls
}

// Signing keys rotate five times and the authority once while images are pulled from registries that were started
// once: those that trust a bundle, of each kind, and one that knows keys by their ID alone.
func TestRotation(t *testing.T) {
	t.Parallel()
	for _, kind := range registry.Kinds {
		registryBinary(t, kind)
	}
	const byID = "keyset.test"
	p, err := port.Free(t.Context())
	require.NoError(t, err)
	server := startDockit(t, dockit.Config{
		Port: p,
		Caddyfile: writeFile(t, "Caddyfile", fmt.Sprintf(`{
	admin off
	persist_config off
	grace_period 10s
	dockit {
		service %s
		service %s {
			profile jwks
		}
		database sqlite {env.HOME}/dockit.sqlite
		root_user {env.DOCKIT_ROOT_USER} {env.DOCKIT_ROOT_PASSWORD}
	}
}

http://%s {
	dockit
}
`, service, byID, port.Localhost(p))),
	})
	folder := t.TempDir()
	bundle, keys := filepath.Join(folder, "bundle.pem"), filepath.Join(folder, "keys.json")
	runAll(t, server.Admin(),
		[]string{"init-container", bundle},
		[]string{"init-container", keys, "--format", "jwks", "--service", byID},
		[]string{"rbac", "grant", "user:anonymous", "repository:" + pulled + ":pull"},
	)
	realm := server.URL + "/v2/token"
	var (
		all       []*puller
		before    []string
		processes []*registry.Registry
	)
	for _, config := range []registry.Config{
		{Binary: registryBinary(t, registry.V3), Service: service, RootCertBundle: bundle},
		{Binary: registryBinary(t, registry.V2), Service: service, RootCertBundle: bundle},
		{Binary: registryBinary(t, registry.V3), Service: byID, JWKS: keys},
	} {
		config.Realm = realm
		r := startRegistry(t, config)
		requirePushed(t, rootOf(server, r), pulled)
		one := &puller{realms: []string{realm}, host: r.Host, service: config.Service}
		token, err := one.token(t.Context(), realm)
		require.NoError(t, err)
		all, before, processes = append(all, one), append(before, token), append(processes, r)
	}

	rotate, rotateCA := pki(t, server, "rotate"), pki(t, server, "rotate-ca")
	pullAll(t, scaled(rotationPulls), all, rotate, rotate, rotate, rotateCA, rotate, rotate)

	for i, one := range all {
		want := 1 + 5
		if one.service == service {
			want++ // the authority brought one along
		}
		assert.Equal(t, want, one.signers(), "keys that signed for %s", processes[i])
		require.NoError(t, one.pullWith(t.Context(), before[i]), "a token from before every rotation")
		select {
		case <-processes[i].Done():
			t.Errorf("%s has ended", processes[i])
		default:
		}
	}
}

// Two servers on one database agree on keys that are rotated at both at once, while both issue tokens.
func TestTwoServersRotate(t *testing.T) {
	t.Parallel()
	one := startDockit(t, dockit.Config{Args: []string{"--service", service}})
	config := one.Config()
	config.Port = 0
	other := startDockit(t, config)
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	runAll(t, one.Admin(),
		[]string{"init-container", bundle},
		[]string{"rbac", "grant", "user:anonymous", "repository:" + pulled + ":pull"},
	)
	r := startRegistry(t, registry.Config{
		Binary: registryBinary(t, registry.V3), Realm: one.URL + "/v2/token", Service: service, RootCertBundle: bundle,
	})
	requirePushed(t, rootOf(one, r), pulled)
	p := &puller{realms: []string{one.URL + "/v2/token", other.URL + "/v2/token"}, host: r.Host, service: service}

	const rounds = 4
	both := func() error {
		first := make(chan error)
		go func() { first <- pki(t, one, "rotate")() }()
		second := pki(t, other, "rotate")()
		if err := <-first; err != nil {
			return err
		}
		return second
	}
	steps := []func() error{pki(t, other, "rotate-ca")}
	for range rounds {
		steps = append(steps, both)
	}
	pullAll(t, scaled(rotationPulls/5), []*puller{p}, steps...)

	// Each rotation has made one key, and both servers know the same.
	list := func(server *dockit.Server) string {
		out, err := server.Admin().Run(t.Context(), "rbac", "pki", "list")
		require.NoError(t, err)
		return out
	}
	waitFor(t, func() bool { return list(one) == list(other) })
	assert.Equal(t, 1+1+2*rounds, strings.Count(list(one), " services "), "keys in:\n%s", list(one))
	assert.Equal(t, get(t, one.URL+"/v2/certs/pem"), get(t, other.URL+"/v2/certs/pem"))
}

// pki runs `dockit rbac pki` as the admin of a server.
func pki(t *testing.T, server *dockit.Server, args ...string) func() error {
	t.Helper()
	return func() error {
		_, err := server.Admin().Run(t.Context(), append([]string{"rbac", "pki"}, args...)...)
		return err
	}
}

// runAll runs commands that must all succeed.
func runAll(t *testing.T, cli dockit.CLI, commands ...[]string) {
	t.Helper()
	for _, args := range commands {
		_, err := cli.Run(t.Context(), args...)
		require.NoError(t, err)
	}
}

// rootOf is the first admin of a server, as client of a registry.
func rootOf(server *dockit.Server, r *registry.Registry) client {
	return client{host: r.Host, username: server.Config().RootUser, password: server.Config().RootPassword}
}
