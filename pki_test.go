package dockit

import (
	"bytes"
	"crypto/x509/pkix"
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dockit-registry/dockit/internal/currentlog"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
)

// Encryption keys of the tests.
const (
	sealing      = "0123456789abcdef0123456789abcdef"
	otherSealing = "fedcba9876543210fedcba9876543210"
)

func writeSecret(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// newPair writes a key and a certificate into two files.
func newPair(t testing.TB, authority bool) (key, certificate string) {
	t.Helper()
	now := time.Now()
	keyPEM, certPEM, err := pki.NewPair(pki.PairRequest{
		Subject:   pkix.Name{CommonName: "test"},
		NotBefore: now.Add(-time.Hour),
		NotAfter:  now.Add(365 * 24 * time.Hour),
		Authority: authority,
	})
	require.NoError(t, err)
	return writeSecret(t, "tls.key", string(keyPEM)), writeSecret(t, "tls.crt", string(certPEM))
}

// useKeys starts with keys on a database and returns what the ring knows.
func useKeys(t *testing.T, dsn, option string) ([]pki.KeyInfo, error) {
	t.Helper()
	app := new(App)
	require.NoError(t, app.UnmarshalCaddyfile(caddyfile.NewTestDispenser("dockit {\ndatabase sqlite "+dsn+"\npki "+option+"\n}")))
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	defer func() {
		assert.NoError(t, app.Cleanup())
	}()
	if err := app.Provision(ctx); err != nil {
		return nil, err
	}
	app.stdout = io.Discard
	if err := app.Start(); err != nil {
		return nil, err
	}
	return app.ring.Keys(), nil
}

func storedKeys(t *testing.T, dsn string) []pki.Record {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: dsn}, currentlog.New(caddy.Log).Named("test"))
	require.NoError(t, err)
	defer s.Close()
	_, records, err := s.Keys(t.Context())
	require.NoError(t, err)
	return records
}

func active(keys []pki.KeyInfo, purpose pki.Purpose) pki.KeyInfo {
	for _, key := range keys {
		if key.Purpose == purpose && key.State == pki.Active {
			return key
		}
	}
	return pki.KeyInfo{}
}

func TestLeafLife(t *testing.T) {
	for name, tc := range map[string]struct {
		option   string
		expected time.Duration
	}{
		"default":              {"generate", 7 * 24 * time.Hour},
		"given":                {"generate {\n leaf_life 36h\n}", 36 * time.Hour},
		"shortest":             {"generate {\n leaf_life 21m\n}", 21 * time.Minute},
		"longer than a token":  {"generate\ntoken_ttl 4d", 16 * 24 * time.Hour},
		"with another setting": {"generate {\n key_type ec384\n }", 7 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := useKeys(t, filepath.Join(t.TempDir(), "dockit.sqlite"), tc.option)
			require.NoError(t, err)
			leaf := active(keys, pki.Shared)
			life := leaf.NotAfter.Sub(leaf.CreatedAt)
			off := life - tc.expected
			assert.GreaterOrEqual(t, off, -2*time.Second, "a life of %s, expected %s", life, tc.expected)
			assert.LessOrEqual(t, off, 2*time.Second, "a life of %s, expected %s", life, tc.expected)
		})
	}
}

func TestLeafLifeTooShort(t *testing.T) {
	_, err := useKeys(t, filepath.Join(t.TempDir(), "dockit.sqlite"), "generate {\n leaf_life 20m\n}")
	require.ErrorContains(t, err, "at least 21m")
}

// TestEncryptionKey goes through the life of an encryption key: off, on,
// changed, wrong, forgotten.
func TestEncryptionKey(t *testing.T) {
	dsn := filepath.Join(t.TempDir(), "dockit.sqlite")
	sealed := func(file string) string { return "generate {\n encryption_key {file." + file + "}\n}" }
	one := writeSecret(t, "one", sealing+"\n")
	two := writeSecret(t, "two", otherSealing+"\n"+sealing+"\n")
	onlyTwo := writeSecret(t, "only-two", otherSealing)

	before, err := useKeys(t, dsn, "generate")
	require.NoError(t, err)
	_, err = useKeys(t, dsn, sealed(one))
	require.ErrorContains(t, err, "start once with seal_existing", "on, without being told that there are keys")
	on := strings.TrimSuffix(sealed(one), "}") + " seal_existing\n}"
	for _, step := range []struct{ name, option string }{{"on", on}, {"again", sealed(one)}, {"changed", sealed(two)}, {"old one gone", sealed(onlyTwo)}} {
		keys, err := useKeys(t, dsn, step.option)
		require.NoError(t, err, step.name)
		assert.Equal(t, active(before, pki.Shared).ID, active(keys, pki.Shared).ID, "%s: another signing key", step.name)
		for _, record := range storedKeys(t, dsn) {
			if record.Sealing == "" {
				assert.Empty(t, record.PrivateKey, "%s: key %s is not sealed", step.name, record.ID)
			}
		}
	}
	records := storedKeys(t, dsn)
	for name, refused := range map[string]struct{ option, expected string }{
		"wrong":     {sealed(one), "wrong encryption key"},
		"forgotten": {"generate", "no encryption key is configured"},
		"short":     {sealed(writeSecret(t, "short", "hunter2")), "encryption key is too short"},
		"empty":     {sealed(writeSecret(t, "empty", "")), "encryption_key"},
		"missing":   {sealed("/nowhere/key"), "/nowhere/key"},
	} {
		_, err := useKeys(t, dsn, refused.option)
		require.ErrorContains(t, err, refused.expected, name)
		if err != nil {
			assert.NotContains(t, err.Error(), sealing, name)
			assert.NotContains(t, err.Error(), "hunter2", name)
		}
	}
	assert.True(t, slices.EqualFunc(records, storedKeys(t, dsn), func(a, b pki.Record) bool {
		return a.ID == b.ID && bytes.Equal(a.PrivateKey, b.PrivateKey)
	}), "a start that was refused changed the keys")
}

// TestKeysFromAnotherDatabase puts the keys of a database without encryption
// into one with it, as a client that can write to the database may.
func TestKeysFromAnotherDatabase(t *testing.T) {
	dir := t.TempDir()
	foreign, dsn := filepath.Join(dir, "foreign.sqlite"), filepath.Join(dir, "dockit.sqlite")
	sealed := "generate {\n encryption_key {file." + writeSecret(t, "one", sealing) + "}\n}"
	for path, option := range map[string]string{foreign: "generate", dsn: sealed} {
		_, err := useKeys(t, path, option)
		require.NoError(t, err)
	}
	db, err := sql.Open("sqlite", dsn)
	require.NoError(t, err)
	defer db.Close()
	for _, statement := range []string{
		"ATTACH '" + foreign + "' AS foreign_keys",
		"DELETE FROM signing_keys",
		"INSERT INTO signing_keys SELECT * FROM foreign_keys.signing_keys",
		"UPDATE signing_keys_version SET number = number + 1",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	records := storedKeys(t, dsn)
	_, err = useKeys(t, dsn, sealed)
	require.ErrorIs(t, err, pki.ErrUnsealed, "start")
	assert.Equal(t, storedKeys(t, dsn), records, "the start that was refused changed the keys")
}

func TestKeyInTwoFiles(t *testing.T) {
	key, certificate := newPair(t, false)
	dsn := filepath.Join(t.TempDir(), "dockit.sqlite")
	keys, err := useKeys(t, dsn, "file "+key+" "+certificate)
	require.NoError(t, err)
	require.Len(t, keys, 1)
	assert.True(t, keys[0].External)
	assert.Equal(t, pki.Active, keys[0].State)
	_, err = useKeys(t, dsn, "file "+key)
	assert.ErrorContains(t, err, "no certificate")
}

// TestKeysUnderBroughtAuthority checks that the options of keys that Dockit
// makes count below an authority from a file.
func TestKeysUnderBroughtAuthority(t *testing.T) {
	key, certificate := newPair(t, true)
	dsn := filepath.Join(t.TempDir(), "dockit.sqlite")
	secret := writeSecret(t, "sealing", sealing)
	keys, err := useKeys(t, dsn, "file "+key+" "+certificate+" {\n key_type ec384\n leaf_life 48h\n encryption_key {file."+secret+"}\n}")
	require.NoError(t, err)
	leaf := active(keys, pki.Shared)
	assert.Equal(t, "ES384", leaf.Algorithm)
	assert.True(t, leaf.Sealed)
	assert.LessOrEqual(t, leaf.NotAfter.Sub(leaf.CreatedAt), 48*time.Hour)
	assert.True(t, active(keys, pki.Authority).External, "the authority is not the one from the file")
}

// TestEncryptionKeyIsNotStored checks that neither Caddy's stored
// configuration nor what api-server makes holds the encryption key.
func TestEncryptionKeyIsNotStored(t *testing.T) {
	s := newSite(t)
	s.dockit = "pki generate {\n encryption_key {file." + writeSecret(t, "sealing", sealing) + "}\n}"
	assert.NotContains(t, string(adapt(t, "Caddyfile", s.String())), sealing, "adapted")
	t.Setenv("DOCKIT_PKI_ENCRYPTION_KEY", "")
	config, _ := configOf(t, "--pki-encryption-key", sealing)
	assert.NotContains(t, string(config.AppsRaw["dockit"]), sealing, "made from flags: %s", config.AppsRaw["dockit"])
	assert.Contains(t, string(config.AppsRaw["dockit"]), "{env.DOCKIT_PKI_ENCRYPTION_KEY}", "the key is not where the placeholder looks")
	assert.Equal(t, sealing, os.Getenv("DOCKIT_PKI_ENCRYPTION_KEY"), "the key is not where the placeholder looks")
}

// maintaining is how many rings look after their keys.
func maintaining() int {
	stacks := make([]byte, 4<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "(*Ring).maintain(")
}

// TestReloadsLeaveNoRings checks that the ring of a configuration that was
// replaced stops looking after its keys, and that the keys stay the same.
func TestReloadsLeaveNoRings(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	_, bundle := get(t, newClient(t), s.url("/v2/certs/pem"))
	for range 10 {
		mustLoad(t, s.String())
	}
	_, after := get(t, newClient(t), s.url("/v2/certs/pem"))
	assert.Equal(t, bundle, after, "a reload changed what registries trust")
	assert.Equal(t, 1, maintaining(), "rings look after keys")
	// A configuration that fails after the ring was made leaves none behind.
	broken := s
	broken.handlers = "dockit token"
	broken.dockit = "service a {\n token_ttl 1m\n}\nservice {env.DOCKIT_TEST_SAME}"
	t.Setenv("DOCKIT_TEST_SAME", "a")
	require.Error(t, load(t, broken.String()), "loaded")
	assert.Equal(t, 1, maintaining(), "rings look after keys after a failed reload")
	require.NoError(t, caddy.Stop())
	assert.Zero(t, maintaining(), "rings look after keys after the end")
}
