package e2e

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// Every type of key makes tokens that every registry takes which knows the algorithm: keys that Dockit makes, and
// keys and authorities that are brought to it.
func TestKeys(t *testing.T) {
	t.Parallel()
	keyTypes := map[string]struct {
		flags []string
		kinds []registry.Kind
	}{
		"ec256":   {[]string{"key-type=ec", "ec-key-size=256"}, registry.Kinds},
		"ec384":   {[]string{"key-type=ec", "ec-key-size=384"}, registry.Kinds},
		"ec521":   {[]string{"key-type=ec", "ec-key-size=521"}, registry.Kinds},
		"rsa2048": {[]string{"key-type=rsa", "rsa-key-size=2048"}, registry.Kinds},
		"ed25519": {[]string{"key-type=ed25519"}, []registry.Kind{registry.V3}},
	}
	for name, keyType := range keyTypes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("made", func(t *testing.T) {
				testKey(t, keyType.kinds, prefixed("--pki-", keyType.flags)...)
			})
			for source, flags := range map[string][]string{"brought": nil, "brought authority": {"--ca"}} {
				t.Run(source, func(t *testing.T) {
					file := filepath.Join(t.TempDir(), "key.pem")
					cli := dockit.CLI{Path: built(t, buildDockit), Env: dockit.Environment(t.TempDir())}
					_, err := cli.Run(t.Context(), append(append([]string{"pki-generate", file}, flags...), prefixed("--", keyType.flags)...)...)
					require.NoError(t, err)
					testKey(t, keyType.kinds, "--pki-generate=false", "--pki-file", file)
				})
			}
		})
	}
}

// testKey pushes an image to each kind of registry with a Dockit of the given flags.
func testKey(t *testing.T, kinds []registry.Kind, flags ...string) {
	t.Helper()
	server := startDockit(t, dockit.Config{Args: append([]string{"--service", service}, flags...)})
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	_, err := server.Admin().Run(t.Context(), "init-container", bundle)
	require.NoError(t, err)
	username, password := server.Config().RootUser, server.Config().RootPassword
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			r := startRegistry(t, registry.Config{
				Binary: registryBinary(t, kind), Realm: server.URL + "/v2/token", Service: service, RootCertBundle: bundle,
			})
			requirePushed(t, client{host: r.Host, username: username, password: password}, "team/app")
		})
	}
}

func prefixed(prefix string, flags []string) []string {
	all := make([]string, len(flags))
	for i, flag := range flags {
		all[i] = prefix + flag
	}
	return all
}
