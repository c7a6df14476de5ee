package token

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/pki"
)

// certify makes a certificate for public that parent signed, or that signed
// itself when there is no parent.
func certify(t testing.TB, name string, public crypto.PublicKey, parent *x509.Certificate, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	if parent == nil {
		template.KeyUsage |= x509.KeyUsageCertSign
		template.IsCA = true
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate
}

// newKey makes a signing key of the given type with a leaf certificate, and the
// pool of authorities that a registry would have.
func newKey(t testing.TB, keyType pki.KeyType) (*pki.SigningKey, *x509.CertPool) {
	t.Helper()
	authorityKey, err := pki.EC256.GenerateKey()
	require.NoError(t, err)
	authority := certify(t, "authority", authorityKey.Public(), nil, authorityKey)
	signer, err := keyType.GenerateKey()
	require.NoError(t, err)
	key, err := pki.NewSigningKey(signer, certify(t, "leaf", signer.Public(), authority, authorityKey))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	return key, roots
}

// segment decodes one part of a token: 0 is the header, 1 the payload.
func segment(t testing.TB, token string, i int) map[string]json.RawMessage {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3, "token has %d parts", len(parts))
	text, err := base64.RawURLEncoding.DecodeString(parts[i])
	require.NoError(t, err)
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &fields))
	return fields
}

func TestSignWithEachKeyType(t *testing.T) {
	algorithms := map[pki.KeyType]string{
		pki.EC256: "ES256", pki.EC384: "ES384", pki.EC521: "ES512", pki.RSA2048: "RS256", pki.Ed25519: "EdDSA",
	}
	for keyType, algorithm := range algorithms {
		t.Run(string(keyType), func(t *testing.T) {
			key, roots := newKey(t, keyType)
			for _, profile := range []Profile{ProfileX5C, ProfileJWKS, ProfileZot} {
				signed, err := sign(key, profile, Claims{
					Issuer: "dockit", Subject: "alice", Audience: "registry", ID: "1",
					ExpiresAt: time.Now().Add(time.Minute).Unix(),
				})
				require.NoError(t, err)
				parsed, err := jwt.Parse(signed, func(token *jwt.Token) (any, error) {
					return publicKeyOf(t, profile, token, key, roots), nil
				}, jwt.WithValidMethods([]string{algorithm}), jwt.WithAudience("registry"), jwt.WithIssuer("dockit"), jwt.WithExpirationRequired())
				require.NoError(t, err, "profile %s", profile)
				require.True(t, parsed.Valid, "profile %s", profile)

				tampered := strings.Replace(signed, ".", ".e", 1)
				_, err = jwt.Parse(tampered, func(*jwt.Token) (any, error) { return key.Signer.Public(), nil })
				assert.Error(t, err, "profile %s: a changed token is still valid", profile)
			}
		})
	}
}

// publicKeyOf finds the key as a registry with that profile does.
func publicKeyOf(t *testing.T, profile Profile, token *jwt.Token, key *pki.SigningKey, roots *x509.CertPool) crypto.PublicKey {
	t.Helper()
	assert.Equal(t, key.ID, token.Header["kid"], "profile %s", profile)
	chain, carried := token.Header["x5c"].([]any)
	require.Equal(t, profile != ProfileJWKS, carried, "profile %s: x5c is %v", profile, token.Header["x5c"])
	if !carried {
		return key.Signer.Public()
	}
	der, err := base64.StdEncoding.DecodeString(chain[0].(string))
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	require.NoError(t, err)
	return leaf.PublicKey
}

func TestSignCarriesTheWholeChain(t *testing.T) {
	key, _ := newKey(t, pki.EC256)
	other, _ := newKey(t, pki.EC256)
	key.Chain = append(key.Chain, other.Chain...)
	signed, err := sign(key, ProfileX5C, Claims{})
	require.NoError(t, err)
	var chain [][]byte
	require.NoError(t, json.Unmarshal(segment(t, signed, 0)["x5c"], &chain))
	assert.Equal(t, [][]byte{key.Chain[0].Raw, key.Chain[1].Raw}, chain, "the certificates of the key in their order")
}

func TestSignRefuses(t *testing.T) {
	bare := func(keyType pki.KeyType) pki.SigningKey {
		key, _ := newKey(t, keyType)
		key.Chain = nil
		return *key
	}
	withAlgorithm := func(algorithm string) pki.SigningKey {
		key, _ := newKey(t, pki.EC256)
		key.Algorithm = algorithm
		return *key
	}
	for _, tc := range []struct {
		name    string
		key     pki.SigningKey
		profile Profile
		err     error
	}{
		{name: "x5c without a certificate", key: bare(pki.EC256), profile: ProfileX5C, err: errNoCertificate},
		{name: "zot without a certificate", key: bare(pki.EC256), profile: ProfileZot, err: errNoCertificate},
		{name: "no signature", key: withAlgorithm("none"), profile: ProfileX5C, err: errUnsupportedAlgorithm},
		{name: "shared secret", key: withAlgorithm("HS256"), profile: ProfileX5C, err: errUnsupportedAlgorithm},
		{name: "no algorithm", key: withAlgorithm(""), profile: ProfileX5C, err: errUnsupportedAlgorithm},
		{name: "algorithm of another curve", key: withAlgorithm("ES384"), profile: ProfileX5C, err: jwt.ErrInvalidKey},
		{name: "algorithm of another kind of key", key: withAlgorithm("RS256"), profile: ProfileX5C, err: jwt.ErrInvalidKeyType},
	} {
		t.Run(tc.name, func(t *testing.T) {
			signed, err := sign(&tc.key, tc.profile, Claims{})
			assert.Empty(t, signed)
			assert.ErrorIs(t, err, tc.err)
		})
	}
	key := bare(pki.EC256)
	_, err := sign(&key, ProfileJWKS, Claims{})
	assert.NoError(t, err, "profile jwks needs no certificate")
}
