package token

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

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
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// newKey makes a signing key of the given type with a leaf certificate, and the
// pool of authorities that a registry would have.
func newKey(t testing.TB, keyType pki.KeyType) (*pki.SigningKey, *x509.CertPool) {
	t.Helper()
	authorityKey, err := pki.EC256.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	authority := certify(t, "authority", authorityKey.Public(), nil, authorityKey)
	signer, err := keyType.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.NewSigningKey(signer, certify(t, "leaf", signer.Public(), authority, authorityKey))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	return key, roots
}

// segment decodes one part of a token: 0 is the header, 1 the payload.
func segment(t testing.TB, token string, i int) map[string]json.RawMessage {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token has %d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
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
				if err != nil {
					t.Fatal(err)
				}
				parsed, err := jwt.Parse(signed, func(token *jwt.Token) (any, error) {
					return publicKeyOf(t, profile, token, key, roots), nil
				}, jwt.WithValidMethods([]string{algorithm}), jwt.WithAudience("registry"), jwt.WithIssuer("dockit"), jwt.WithExpirationRequired())
				if err != nil || !parsed.Valid {
					t.Fatalf("profile %s: %v", profile, err)
				}

				tampered := strings.Replace(signed, ".", ".e", 1)
				if _, err := jwt.Parse(tampered, func(*jwt.Token) (any, error) { return key.Signer.Public(), nil }); err == nil {
					t.Errorf("profile %s: a changed token is still valid", profile)
				}
			}
		})
	}
}

// publicKeyOf finds the key as a registry with that profile does.
func publicKeyOf(t *testing.T, profile Profile, token *jwt.Token, key *pki.SigningKey, roots *x509.CertPool) crypto.PublicKey {
	t.Helper()
	if token.Header["kid"] != key.ID {
		t.Errorf("profile %s: kid is %v, want %s", profile, token.Header["kid"], key.ID)
	}
	chain, carried := token.Header["x5c"].([]any)
	if carried != (profile != ProfileJWKS) {
		t.Fatalf("profile %s: x5c is %v", profile, token.Header["x5c"])
	}
	if !carried {
		return key.Signer.Public()
	}
	der, err := base64.StdEncoding.DecodeString(chain[0].(string))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Fatal(err)
	}
	return leaf.PublicKey
}

func TestSignCarriesTheWholeChain(t *testing.T) {
	key, _ := newKey(t, pki.EC256)
	other, _ := newKey(t, pki.EC256)
	key.Chain = append(key.Chain, other.Chain...)
	signed, err := sign(key, ProfileX5C, Claims{})
	if err != nil {
		t.Fatal(err)
	}
	var chain [][]byte
	if err := json.Unmarshal(segment(t, signed, 0)["x5c"], &chain); err != nil {
		t.Fatal(err)
	}
	if len(chain) != 2 || string(chain[0]) != string(key.Chain[0].Raw) || string(chain[1]) != string(key.Chain[1].Raw) {
		t.Errorf("x5c holds %d certificates, or not those of the key in their order", len(chain))
	}
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
			if signed != "" || !errors.Is(err, tc.err) {
				t.Errorf("Sign = %q, %v; want %v", signed, err, tc.err)
			}
		})
	}
	key := bare(pki.EC256)
	if _, err := sign(&key, ProfileJWKS, Claims{}); err != nil {
		t.Errorf("profile jwks needs no certificate, but: %v", err)
	}
}
