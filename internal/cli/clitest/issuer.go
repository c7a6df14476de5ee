package clitest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// Issuer is a server with a CA and a signing key under it, which publishes both as
// Dockit does.
type Issuer struct {
	URL   string
	key   *ecdsa.PrivateKey
	chain []*x509.Certificate
}

// NewIssuer starts an Issuer. The end of the test stops it.
func NewIssuer(t *testing.T) *Issuer {
	t.Helper()
	sign := func(template, parent *x509.Certificate, public, key any) *x509.Certificate {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		if parent == nil {
			parent = template
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
		require.NoError(t, err)
		certificate, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return certificate
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := sign(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true}, nil, caKey.Public(), caKey)
	i := &Issuer{}
	i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i.chain = []*x509.Certificate{sign(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}}, ca, i.key.Public(), caKey)}

	mux := http.NewServeMux()
	known := func(f http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if service := r.URL.Query().Get("service"); service != "" && service != "registry" {
				Answers(400, `{"error_description":"unknown service"}`)(w, r)
				return
			}
			f(w, r)
		}
	}
	mux.HandleFunc("/v2/certs/pem", known(func(w http.ResponseWriter, _ *http.Request) {
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
	}))
	mux.HandleFunc("/v2/certs/jwks", known(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "current"}}})
	}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Token signs claims for an hour, with changes.
func (i *Issuer) Token(t *testing.T, kid string, x5c bool, change map[string]any) string {
	t.Helper()
	now := time.Now()
	claims := map[string]any{
		"iss": "dockit", "sub": "alice", "aud": "registry", "iat": now.Unix(), "nbf": now.Add(-5 * time.Second).Unix(), "exp": now.Add(time.Hour).Unix(),
		"access": []map[string]any{{"type": "repository", "name": "team/app", "actions": []string{"pull", "push"}}},
	}
	maps.Copy(claims, change)
	options := (&jose.SignerOptions{}).WithHeader("kid", kid)
	if x5c {
		options = options.WithHeader("x5c", []string{base64.StdEncoding.EncodeToString(i.chain[0].Raw)})
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.key}, options)
	require.NoError(t, err)
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	signed, err := signer.Sign(payload)
	require.NoError(t, err)
	compact, err := signed.CompactSerialize()
	require.NoError(t, err)
	return compact
}
