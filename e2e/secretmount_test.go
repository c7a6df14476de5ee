package e2e

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// secretMount is a folder of files that Kubernetes mounts from a secret: names that point into a folder that is
// swapped as a whole.
type secretMount struct {
	folder  string
	version int
}

// put swaps in other files.
func (m *secretMount) put(t *testing.T, files map[string][]byte) {
	t.Helper()
	m.version++
	version := fmt.Sprintf("..2026_%02d", m.version)
	require.NoError(t, os.Mkdir(filepath.Join(m.folder, version), 0o700))
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(m.folder, version, name), content, 0o600))
		if m.version == 1 {
			require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(m.folder, name)))
		}
	}
	next := filepath.Join(m.folder, "..data_tmp")
	require.NoError(t, os.Symlink(version, next))
	require.NoError(t, os.Rename(next, filepath.Join(m.folder, "..data")))
}

// madePair is a key and its certificate from `dockit pki-generate`, with further flags of it.
func madePair(t *testing.T, flags ...string) map[string][]byte {
	t.Helper()
	folder := t.TempDir()
	key, certificate := filepath.Join(folder, "tls.key"), filepath.Join(folder, "tls.crt")
	runAll(t, dockit.CLI{Path: built(t, buildDockit), Env: dockit.Environment(folder)},
		append([]string{"pki-generate", "--key-file", key, "--certificate-file", certificate}, flags...))
	pair := make(map[string][]byte)
	for _, path := range []string{key, certificate} {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		pair[filepath.Base(path)] = content
	}
	return pair
}

// A secret that is swapped is taken into use without a restart of Dockit, and without one of a registry that was
// given the next certificate before. A torn one leaves the key before it in service.
func TestSecretMount(t *testing.T) {
	t.Parallel()
	mount := &secretMount{folder: t.TempDir()}
	first, next := madePair(t), madePair(t)
	mount.put(t, first)
	server := startDockit(t, dockit.Config{Args: []string{
		"--service", service,
		"--pki-file", filepath.Join(mount.folder, "tls.key"), "--pki-certificate-file", filepath.Join(mount.folder, "tls.crt"),
	}})
	runAll(t, server.Admin(), []string{"rbac", "grant", "user:anonymous", "repository:" + pulled + ":pull"})
	require.Equal(t, string(first["tls.crt"]), get(t, server.URL+"/v2/certs/pem"))
	r := startRegistry(t, registry.Config{
		Binary: registryBinary(t, registry.V3), Realm: server.URL + "/v2/token", Service: service,
		RootCertBundle: writeFile(t, "bundle.pem", string(first["tls.crt"])+string(next["tls.crt"])),
	})
	requirePushed(t, rootOf(server, r), pulled)
	p := &puller{realms: []string{server.URL + "/v2/token"}, host: r.Host, service: service}

	bundleStartsWith := func(pair map[string][]byte) bool {
		return strings.HasPrefix(get(t, server.URL+"/v2/certs/pem"), string(pair["tls.crt"]))
	}
	pullAll(t, 600, []*puller{p}, func() error {
		mount.put(t, map[string][]byte{"tls.key": next["tls.key"][:60], "tls.crt": next["tls.crt"]})
		waitFor(t, func() bool { return strings.Contains(server.Output(), "reloading pki files failed") })
		assert.True(t, bundleStartsWith(first), "a torn key is not taken")
		return nil
	}, func() error {
		mount.put(t, next)
		waitFor(t, func() bool { return bundleStartsWith(next) })
		return p.pull(t.Context()) // though all the others may be done
	})
	assert.Equal(t, 2, p.signers(), "keys that signed")
	assert.Contains(t, get(t, server.URL+"/v2/certs/pem"), string(first["tls.crt"]), "its last tokens still count")

	// Keys that do not belong together are none either.
	mount.put(t, map[string][]byte{"tls.key": first["tls.key"], "tls.crt": next["tls.crt"]})
	waitFor(t, func() bool { return strings.Contains(server.Output(), "private key does not match the certificate") })
	token, err := p.token(t.Context(), p.realms[0])
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, statusWithToken(t, r.Host, "/v2/", token))
}

// An authority that is renewed with the same key, as cert-manager does it, needs no restart of either side.
func TestRenewedAuthority(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	mount := &secretMount{folder: t.TempDir()}
	pair := func(certificate *x509.Certificate) map[string][]byte {
		key, err := x509.MarshalECPrivateKey(ours.key) // as cert-manager writes it
		require.NoError(t, err)
		return map[string][]byte{
			"tls.key": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}),
			"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}),
		}
	}
	mount.put(t, pair(ours.cert))
	server := startDockit(t, dockit.Config{Args: []string{
		"--service", service,
		"--pki-file", filepath.Join(mount.folder, "tls.key"), "--pki-certificate-file", filepath.Join(mount.folder, "tls.crt"),
	}})
	runAll(t, server.Admin(), []string{"rbac", "grant", "user:anonymous", "repository:" + pulled + ":pull"})
	r := startRegistry(t, registry.Config{
		Binary: registryBinary(t, registry.V3), Realm: server.URL + "/v2/token", Service: service, RootCertBundle: ours.file,
	})
	requirePushed(t, rootOf(server, r), pulled)
	p := &puller{realms: []string{server.URL + "/v2/token"}, host: r.Host, service: service}

	template := *ours.cert
	template.SerialNumber = new(big.Int).Add(ours.cert.SerialNumber, big.NewInt(1))
	template.NotAfter = ours.cert.NotAfter.AddDate(10, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, ours.key.Public(), ours.key)
	require.NoError(t, err)
	renewed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pullAll(t, 600, []*puller{p}, func() error {
		mount.put(t, pair(renewed))
		waitFor(t, func() bool { return get(t, server.URL+"/v2/certs/pem") == string(pair(renewed)["tls.crt"]) })
		return nil
	}, pki(t, server, "rotate"))
	assert.Equal(t, 2, p.signers(), "keys that signed")
}
