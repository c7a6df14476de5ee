package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testKeys are the private keys of the certificates that tests made.
var testKeys sync.Map

// certificatePEM makes a certificate that is valid from and until then.
func certificatePEM(t testing.TB, from, until time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	testKeys.Store(string(der), key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestCheckBundle(t *testing.T) {
	now := time.Now()
	good := string(certificatePEM(t, now.Add(-time.Hour), now.Add(time.Hour)))
	expired := string(certificatePEM(t, now.Add(-2*time.Hour), now.Add(-time.Hour)))
	future := string(certificatePEM(t, now.Add(time.Hour), now.Add(2*time.Hour)))
	slightly := string(certificatePEM(t, now.Add(time.Minute), now.Add(time.Hour)))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}))
	broken := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))

	for name, content := range map[string]string{
		"one":                    good,
		"one that is to come":    good + future,
		"an expired one as well": expired + good,
		"clocks slightly apart":  slightly,
		"blank lines around":     "\n\n" + good + "\n\n",
	} {
		summary, err := CheckBundle([]byte(content), now)
		require.NoError(t, err, name)
		assert.Contains(t, summary[0], "sha256:", name)
	}
	for name, c := range map[string]struct{ content, says string }{
		"empty":             {"", "empty"},
		"blank":             {" \n", "empty"},
		"a page":            {"<html>welcome</html>", "not a PEM bundle"},
		"garbage behind":    {good + "<html>", "not a PEM bundle"},
		"torn":              {good[:len(good)-20], "not a PEM bundle"},
		"expired":           {expired, "no certificate of the bundle is valid now"},
		"to come":           {future, "compare the clocks"},
		"expired and next":  {expired + future, "no certificate of the bundle is valid now"},
		"a private key":     {key + good, "certificates only"},
		"not a certificate": {broken, "certificate 1"},
	} {
		_, err := CheckBundle([]byte(c.content), now)
		assert.ErrorContains(t, err, c.says, name)
	}
}

func TestCheckKeySet(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	encode := func(keys ...any) []byte {
		set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
		for _, k := range keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k, KeyID: "id", Algorithm: "ES256"})
		}
		encoded, err := json.Marshal(set)
		require.NoError(t, err)
		return encoded
	}
	summary, err := checkKeySet(encode(key.Public()), time.Now())
	require.NoError(t, err)
	assert.Contains(t, summary[0], "kid id")
	for name, content := range map[string][]byte{
		"private":   encode(key),
		"symmetric": encode([]byte("0123456789abcdef")),
		"empty":     encode(),
		"a page":    []byte("<html>"),
		"nothing":   nil,
	} {
		_, err := checkKeySet(content, time.Now())
		assert.Error(t, err, name)
	}
}

func FuzzCheckTrust(f *testing.F) {
	now := time.Now()
	f.Add(certificatePEM(f, now.Add(-time.Hour), now.Add(time.Hour)))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		if summary, err := CheckBundle(content, now); err == nil {
			assert.NotEmpty(t, summary, "a bundle without certificates was taken")
		}
		if summary, err := checkKeySet(content, now); err == nil {
			assert.NotEmpty(t, summary, "a key set without keys was taken")
		}
	})
}
