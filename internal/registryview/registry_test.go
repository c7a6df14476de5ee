package registryview

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/registryclient"
	"github.com/dockit-registry/dockit/internal/registrytest"
	"github.com/dockit-registry/dockit/internal/token"
	"github.com/dockit-registry/dockit/pki"
)

// oneKey signs for every service.
type oneKey struct{ key *pki.SigningKey }

func (k oneKey) SigningKey(string) (*pki.SigningKey, error) { return k.key, nil }

func newKey(t testing.TB) oneKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return oneKey{&pki.SigningKey{ID: "key", Algorithm: "ES256", Signer: key}}
}

// look is a Registry in front of what answers at a URL.
func look(t testing.TB, at string) *Registry {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	r := New(Config{
		Service: "registry",
		Client:  registryclient.New(registryclient.Config{URL: u}),
		Tokens:  NewTokens(newKey(t), "dockit", "registry", token.ProfileJWKS, time.Now),
	})
	t.Cleanup(r.Close)
	return r
}

// viewer is somebody with permissions.
func viewer(t testing.TB, name string, permissions ...string) Viewer {
	t.Helper()
	return Viewer{Name: name, Rights: access.NewRights(name, parsed(t, permissions...))}
}

func parsed(t testing.TB, texts ...string) []access.Permission {
	t.Helper()
	all := make([]access.Permission, len(texts))
	for i, text := range texts {
		var err error
		all[i], err = access.ParsePermission(text)
		require.NoError(t, err)
	}
	return all
}

// shown is a registry with a few images, and what is seen of it.
func shown(t testing.TB) (*registrytest.Registry, *Registry) {
	t.Helper()
	registry := registrytest.New(t)
	return registry, look(t, registry.Server.URL)
}
