package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// authority is a certificate authority as `dockit pki-generate --ca` makes it.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	folder := t.TempDir()
	a := &authority{file: filepath.Join(folder, "ca.crt")}
	key := filepath.Join(folder, "ca.key")
	runAll(t, dockit.CLI{Path: built(t, buildDockit), Env: dockit.Environment(folder)},
		[]string{"pki-generate", "--ca", "--key-file", key, "--certificate-file", a.file})
	var err error
	parsed, err := x509.ParsePKCS8PrivateKey(readPEM(t, key))
	require.NoError(t, err)
	a.key = parsed.(*ecdsa.PrivateKey)
	a.cert, err = x509.ParseCertificate(readPEM(t, a.file))
	require.NoError(t, err)
	return a
}

func readPEM(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	block, _ := pem.Decode(content)
	require.NotNil(t, block)
	return block.Bytes
}

// leaf makes a signing key whose certificate is valid from and until then.
func (a *authority) leaf(t *testing.T, from, until time.Time) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "leaf"}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{key: key, cert: cert}
}

// token signs one that opens nothing, and carries the certificates.
func (a *authority) token(t *testing.T, chain ...*authority) string {
	t.Helper()
	return a.sign(t, nil, nil, chain...)
}

// sign signs a token with other values in header and claims than those of a good one that opens nothing; nil leaves one out.
func (a *authority) sign(t *testing.T, header, claims map[string]any, chain ...*authority) string {
	t.Helper()
	certificates := []string{base64.StdEncoding.EncodeToString(a.cert.Raw)}
	for _, above := range chain {
		certificates = append(certificates, base64.StdEncoding.EncodeToString(above.cert.Raw))
	}
	now := time.Now()
	part := func(good, other map[string]any) string {
		maps.Copy(good, other)
		maps.DeleteFunc(good, func(_ string, value any) bool { return value == nil })
		encoded, err := json.Marshal(good)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(encoded)
	}
	signed := part(map[string]any{"typ": "JWT", "alg": "ES256", "x5c": certificates}, header) + "." + part(map[string]any{
		"iss": "dockit", "sub": "", "aud": service, "jti": "1", "access": []any{},
		"iat": now.Unix(), "nbf": now.Add(-5 * time.Second).Unix(), "exp": now.Add(time.Minute).Unix(),
	}, claims)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, a.key, digest[:])
	require.NoError(t, err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// What registries accept is what the rotation of keys rests on: every certificate under an authority in their
// bundle, made before or after they started, and no other.
func TestAcceptance(t *testing.T) {
	t.Parallel()
	for _, kind := range registry.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ours, foreign := newAuthority(t), newAuthority(t)
			now := time.Now()
			hour := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
			first := ours.leaf(t, hour(-1), hour(1))
			r := startRegistry(t, registry.Config{
				Binary: registryBinary(t, kind), Realm: "http://localhost/v2/token", Service: service, RootCertBundle: ours.file,
			})
			second := ours.leaf(t, hour(-1), hour(1))
			for name, c := range map[string]struct {
				token string
				want  int
			}{
				"leaf made before the start":   {first.token(t), http.StatusOK},
				"leaf made after the start":    {second.token(t), http.StatusOK},
				"leaf with the authority":      {second.token(t, ours), http.StatusOK},
				"foreign leaf":                 {foreign.leaf(t, hour(-1), hour(1)).token(t), http.StatusUnauthorized},
				"foreign leaf, authority sent": {foreign.leaf(t, hour(-1), hour(1)).token(t, foreign), http.StatusUnauthorized},
				"foreign leaf, ours sent":      {foreign.leaf(t, hour(-1), hour(1)).token(t, ours), http.StatusUnauthorized},
				"leaf issued by a leaf":        {first.leaf(t, hour(-1), hour(1)).token(t, first), http.StatusUnauthorized},
				"leaf that has expired":        {ours.leaf(t, hour(-2), hour(-1)).token(t), http.StatusUnauthorized},
				"leaf not valid yet":           {ours.leaf(t, hour(1), hour(2)).token(t), http.StatusUnauthorized},
			} {
				assert.Equal(t, c.want, statusWithToken(t, r.Host, "/v2/", c.token), name)
			}
		})
	}
}
