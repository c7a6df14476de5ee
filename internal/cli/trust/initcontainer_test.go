package trust

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/cli/clitest"
)

// trustServer answers with one handler after the other; the last one stays.
func trustServer(t *testing.T, handlers ...http.HandlerFunc) string {
	t.Helper()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := min(int(calls.Add(1)), len(handlers)) - 1
		handlers[n](w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// dockitWith answers as a Dockit does whose keys are those of the certificates.
func dockitWith(t *testing.T, bundle string) http.HandlerFunc {
	t.Helper()
	return dockitAfter(t, bundle, bundle)
}

// dockitAfter answers as a Dockit does that has one bundle and signs with the
// keys of another one, which may be that before.
func dockitAfter(t *testing.T, bundle, signers string) http.HandlerFunc {
	t.Helper()
	signed := signedTrust(t, bundle, signers)
	certificates, err := ParseBundle([]byte(bundle))
	require.NoError(t, err)
	var set jose.JSONWebKeySet
	for _, certificate := range certificates {
		key := jose.JSONWebKey{Key: certificate.PublicKey, Algorithm: "ES256", Use: "sig", Certificates: []*x509.Certificate{certificate}}
		key.KeyID, err = thumbprintOf(&key)
		require.NoError(t, err)
		set.Keys = append(set.Keys, key)
	}
	keys, err := json.Marshal(set)
	require.NoError(t, err)
	return func(w http.ResponseWriter, r *http.Request) {
		content := bundle
		if r.URL.Path == "/v2/certs/jwks" {
			content = string(keys)
		}
		if r.URL.Path == "/v2/certs/jws" {
			content = signed
		}
		tag := `"` + contentFingerprint([]byte(content)) + `"`
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte(content))
	}
}

// signedTrust is what a Dockit publishes at /v2/certs/jws.
func signedTrust(t *testing.T, bundle, signers string) string {
	t.Helper()
	var payload struct {
		IssuedAt     int64              `json:"iat"`
		ExpiresAt    int64              `json:"exp"`
		Certificates [][]byte           `json:"certificates"`
		Keys         jose.JSONWebKeySet `json:"jwks"`
	}
	payload.IssuedAt, payload.ExpiresAt = time.Now().Unix(), time.Now().Add(5*time.Minute).Unix()
	certificates, err := ParseBundle([]byte(bundle))
	require.NoError(t, err)
	for _, certificate := range certificates {
		payload.Certificates = append(payload.Certificates, certificate.Raw)
		payload.Keys.Keys = append(payload.Keys.Keys, jose.JSONWebKey{Key: certificate.PublicKey, Algorithm: "ES256", Certificates: []*x509.Certificate{certificate}})
	}
	before, err := ParseBundle([]byte(signers))
	require.NoError(t, err)
	var keys []jose.SigningKey
	for _, certificate := range before {
		key, ok := testKeys.Load(string(certificate.Raw))
		require.True(t, ok)
		keys = append(keys, jose.SigningKey{Algorithm: jose.ES256, Key: key})
		if signers != bundle {
			payload.Keys.Keys = append(payload.Keys.Keys, jose.JSONWebKey{Key: certificate.PublicKey, Algorithm: "ES256", Certificates: []*x509.Certificate{certificate}})
		}
	}
	content, err := json.Marshal(payload)
	require.NoError(t, err)
	signer, err := jose.NewMultiSigner(keys, new(jose.SignerOptions).WithType("dockit-trust+jws"))
	require.NoError(t, err)
	signed, err := signer.Sign(content)
	require.NoError(t, err)
	return signed.FullSerialize()
}

func TestInitContainerWaitsForDockit(t *testing.T) {
	good := string(certificatePEM(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)))
	url := trustServer(t, clitest.Answers(503, ""), clitest.Answers(502, "<html>"), clitest.Answers(200, "starting"), dockitWith(t, good))
	path := filepath.Join(t.TempDir(), "trust.pem")
	code, stdout, stderr := execute(t, "init-container", path, "--base-url", url, "--timeout", "20s")
	require.Equal(t, 0, code, stderr)
	assert.Contains(t, stdout, "wrote "+path)
	assert.Equal(t, 3, strings.Count(stderr, "waiting for"), stderr)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, good, string(content))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o644), info.Mode().Perm())
}

func TestInitContainerKeepsTheFileWhenTheAnswerIsBad(t *testing.T) {
	now := time.Now()
	expired := string(certificatePEM(t, now.Add(-2*time.Hour), now.Add(-time.Hour)))
	for name, handler := range map[string]http.HandlerFunc{
		"a server error":              clitest.Answers(500, "boom"),
		"a page":                      clitest.Answers(200, "<html>welcome</html>"),
		"nothing":                     clitest.Answers(200, ""),
		"expired certificates":        clitest.Answers(200, expired),
		"a good bundle with an error": clitest.Answers(500, string(certificatePEM(t, now.Add(-time.Hour), now.Add(time.Hour)))),
		"an endless answer":           clitest.Answers(200, strings.Repeat(" ", maxTrust+2)),
		"an unknown service":          clitest.Answers(400, `{"error_description":"unknown service"}`),
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4000")
			_, _ = w.Write([]byte("-----BEGIN"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, "trust.pem")
			require.NoError(t, os.WriteFile(path, []byte("as it was"), 0o600))
			code, stdout, stderr := execute(t, "init-container", path, "--base-url", trustServer(t, handler), "--timeout", "300ms")
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, "left as it was")
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, "as it was", string(content))
			entries, err := os.ReadDir(folder)
			require.NoError(t, err)
			assert.Len(t, entries, 1, "nothing half-written stays")
		})
	}
}

func TestInitContainerVerifiesTLS(t *testing.T) {
	good := certificatePEM(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	server := httptest.NewTLSServer(dockitWith(t, string(good)))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = nil
	path := filepath.Join(t.TempDir(), "trust.pem")

	code, _, stderr := execute(t, "init-container", path, "--base-url", server.URL, "--timeout", "30s")
	assert.Equal(t, 1, code, "and at once: waiting does not help")
	assert.Contains(t, stderr, "--ca-file")
	assert.NoFileExists(t, path)

	code, _, stderr = execute(t, "init-container", path, "--base-url", server.URL, "--insecure")
	assert.Equal(t, 0, code)
	assert.Contains(t, stderr, "Warning")

	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	code, stdout, stderr := execute(t, "init-container", path, "--base-url", server.URL, "--ca-file", ca)
	assert.Equal(t, 0, code, stderr)
	assert.Contains(t, stdout, "up to date")

	require.NoError(t, os.WriteFile(ca, []byte("nothing"), 0o600))
	code, _, stderr = execute(t, "init-container", path, "--base-url", server.URL, "--ca-file", ca)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "no PEM certificate")
}

func TestReplaceFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "file")
	changed, err := replaceFile(path, []byte("one"), attributes{mode: 0o640})
	require.NoError(t, err)
	assert.True(t, changed)
	changed, err = replaceFile(path, []byte("one"), attributes{mode: 0o640})
	require.NoError(t, err)
	assert.False(t, changed)
	changed, err = replaceFile(path, []byte("one"), attributes{mode: 0o600})
	require.NoError(t, err)
	assert.True(t, changed, "the mode counts")
	_, err = replaceFile(folder, []byte("one"), attributes{mode: 0o600})
	require.ErrorContains(t, err, "is a folder")
	_, err = replaceFile(filepath.Join(folder, "missing", "file"), []byte("one"), attributes{mode: 0o600})
	require.Error(t, err)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}
