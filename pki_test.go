package dockit

import (
	"bytes"
	"crypto/x509/pkix"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

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
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	return writeSecret(t, "tls.key", string(keyPEM)), writeSecret(t, "tls.crt", string(certPEM))
}

// useKeys starts with keys on a database and returns what the ring knows.
func useKeys(t *testing.T, dsn, option string) ([]pki.KeyInfo, error) {
	t.Helper()
	app := new(App)
	if err := app.UnmarshalCaddyfile(caddyfile.NewTestDispenser("dockit {\ndatabase sqlite " + dsn + "\npki " + option + "\n}")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	defer func() {
		if err := app.Cleanup(); err != nil {
			t.Error(err)
		}
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
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, records, err := s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
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
			if err != nil {
				t.Fatal(err)
			}
			leaf := active(keys, pki.Shared)
			life := leaf.NotAfter.Sub(leaf.CreatedAt)
			if off := life - tc.expected; off < -2*time.Second || off > 2*time.Second {
				t.Errorf("a life of %s, expected %s", life, tc.expected)
			}
		})
	}
}

func TestLeafLifeTooShort(t *testing.T) {
	_, err := useKeys(t, filepath.Join(t.TempDir(), "dockit.sqlite"), "generate {\n leaf_life 20m\n}")
	if err == nil || !strings.Contains(err.Error(), "at least 21m") {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	if _, err := useKeys(t, dsn, sealed(one)); err == nil || !strings.Contains(err.Error(), "start once with seal_existing") {
		t.Errorf("on, without being told that there are keys: %v", err)
	}
	on := strings.TrimSuffix(sealed(one), "}") + " seal_existing\n}"
	for _, step := range []struct{ name, option string }{{"on", on}, {"again", sealed(one)}, {"changed", sealed(two)}, {"old one gone", sealed(onlyTwo)}} {
		keys, err := useKeys(t, dsn, step.option)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if active(keys, pki.Shared).ID != active(before, pki.Shared).ID {
			t.Errorf("%s: another signing key", step.name)
		}
		for _, record := range storedKeys(t, dsn) {
			if record.Sealing == "" && len(record.PrivateKey) > 0 {
				t.Errorf("%s: key %s is not sealed", step.name, record.ID)
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
		if err == nil || !strings.Contains(err.Error(), refused.expected) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), sealing) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
	}
	if after := storedKeys(t, dsn); !slices.EqualFunc(records, after, func(a, b pki.Record) bool {
		return a.ID == b.ID && bytes.Equal(a.PrivateKey, b.PrivateKey)
	}) {
		t.Error("a start that was refused changed the keys")
	}
}

// TestKeysFromAnotherDatabase puts the keys of a database without encryption
// into one with it, as whoever can write to the database may.
func TestKeysFromAnotherDatabase(t *testing.T) {
	dir := t.TempDir()
	foreign, dsn := filepath.Join(dir, "foreign.sqlite"), filepath.Join(dir, "dockit.sqlite")
	sealed := "generate {\n encryption_key {file." + writeSecret(t, "one", sealing) + "}\n}"
	for path, option := range map[string]string{foreign: "generate", dsn: sealed} {
		if _, err := useKeys(t, path, option); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"ATTACH '" + foreign + "' AS foreign_keys",
		"DELETE FROM signing_keys",
		"INSERT INTO signing_keys SELECT * FROM foreign_keys.signing_keys",
		"UPDATE signing_keys_version SET number = number + 1",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	records := storedKeys(t, dsn)
	if _, err := useKeys(t, dsn, sealed); !errors.Is(err, pki.ErrUnsealed) {
		t.Errorf("start: %v", err)
	}
	if after := storedKeys(t, dsn); !reflect.DeepEqual(records, after) {
		t.Error("the start that was refused changed the keys")
	}
}

func TestKeyInTwoFiles(t *testing.T) {
	key, certificate := newPair(t, false)
	dsn := filepath.Join(t.TempDir(), "dockit.sqlite")
	keys, err := useKeys(t, dsn, "file "+key+" "+certificate)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 1 || !keys[0].External || keys[0].State != pki.Active {
		t.Errorf("keys %+v", keys)
	}
	if _, err := useKeys(t, dsn, "file "+key); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Error(err)
	}
}

// TestKeysUnderBroughtAuthority checks that the options of keys that Dockit
// makes count below an authority from a file.
func TestKeysUnderBroughtAuthority(t *testing.T) {
	key, certificate := newPair(t, true)
	dsn := filepath.Join(t.TempDir(), "dockit.sqlite")
	secret := writeSecret(t, "sealing", sealing)
	keys, err := useKeys(t, dsn, "file "+key+" "+certificate+" {\n key_type ec384\n leaf_life 48h\n encryption_key {file."+secret+"}\n}")
	if err != nil {
		t.Fatal(err)
	}
	leaf := active(keys, pki.Shared)
	if leaf.Algorithm != "ES384" || !leaf.Sealed || leaf.NotAfter.Sub(leaf.CreatedAt) > 48*time.Hour {
		t.Errorf("leaf %+v", leaf)
	}
	if !active(keys, pki.Authority).External {
		t.Error("the authority is not the one from the file")
	}
}

// TestEncryptionKeyIsNotStored checks that neither Caddy's stored
// configuration nor what api-server makes holds the encryption key.
func TestEncryptionKeyIsNotStored(t *testing.T) {
	s := newSite(t)
	s.dockit = "pki generate {\n encryption_key {file." + writeSecret(t, "sealing", sealing) + "}\n}"
	if config := adapt(t, "Caddyfile", s.String()); bytes.Contains(config, []byte(sealing)) {
		t.Errorf("adapted: %s", config)
	}
	t.Setenv("DOCKIT_PKI_ENCRYPTION_KEY", "")
	config, _ := configOf(t, "--pki-encryption-key", sealing)
	if bytes.Contains(config.AppsRaw["dockit"], []byte(sealing)) {
		t.Errorf("made from flags: %s", config.AppsRaw["dockit"])
	}
	if !bytes.Contains(config.AppsRaw["dockit"], []byte("{env.DOCKIT_PKI_ENCRYPTION_KEY}")) || os.Getenv("DOCKIT_PKI_ENCRYPTION_KEY") != sealing {
		t.Error("the key is not where the placeholder looks")
	}
}

// TestReloadsLeaveNoRings checks that the ring of a configuration that was
// replaced stops looking after its keys, and that the keys stay the same.
func TestReloadsLeaveNoRings(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	_, bundle := get(t, newClient(t), s.url("/v2/certs/pem"))
	maintaining := func() int {
		stacks := make([]byte, 4<<20)
		return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "(*Ring).maintain(")
	}
	for range 10 {
		mustLoad(t, s.String())
	}
	if _, after := get(t, newClient(t), s.url("/v2/certs/pem")); after != bundle {
		t.Error("a reload changed what registries trust")
	}
	if n := maintaining(); n != 1 {
		t.Errorf("%d rings look after keys", n)
	}
	// A configuration that fails after the ring was made leaves none behind.
	broken := s
	broken.handlers = "dockit token"
	broken.dockit = "service a {\n token_ttl 1m\n}\nservice {env.DOCKIT_TEST_SAME}"
	t.Setenv("DOCKIT_TEST_SAME", "a")
	if err := load(t, broken.String()); err == nil {
		t.Error("loaded")
	}
	if n := maintaining(); n != 1 {
		t.Errorf("%d rings look after keys after a failed reload", n)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := maintaining(); n != 0 {
		t.Errorf("%d rings look after keys after the end", n)
	}
}
