package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// certificate makes one for tests, self-signed without a parent.
func certificate(t testing.TB, template x509.Certificate, key crypto.Signer, parent *pair) *x509.Certificate {
	t.Helper()
	if template.Subject.CommonName == "" {
		template.Subject = pkix.Name{CommonName: "test"}
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = start.Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = start.AddDate(1, 0, 0)
	}
	template.BasicConstraintsValid = true
	issuer, signer := (*x509.Certificate)(nil), key
	if parent != nil {
		issuer, signer = parent.cert, parent.signer
	}
	cert, err := issue(&template, issuer, key.Public(), signer)
	require.NoError(t, err)
	return cert
}

func generate(t testing.TB, keyType KeyType) crypto.Signer {
	t.Helper()
	key, err := keyType.GenerateKey()
	require.NoError(t, err)
	return key
}

func pkcs8(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func sec1(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

func pkcs1(key crypto.Signer) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key.(*rsa.PrivateKey))})
}

func certPEM(certs ...*x509.Certificate) []byte { return encodeCertificates(certs) }

// write puts a file into a folder of the test's own.
func write(t testing.TB, content ...[]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "combined.pem")
	require.NoError(t, os.WriteFile(path, bytes.Join(content, nil), 0o600))
	return path
}

// load reads and checks files as a ring does at its start.
func load(f Files) (*pair, error) {
	content, err := f.read()
	if err != nil {
		return nil, err
	}
	return f.parse(content, start)
}

func TestLoadFindsKeyAndCertificate(t *testing.T) {
	root := &pair{signer: generate(t, EC256)}
	root.cert = certificate(t, x509.Certificate{Subject: pkix.Name{CommonName: "root"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, root.signer, nil)
	for _, test := range []struct {
		keyType KeyType
		encode  func(key crypto.Signer) []byte
		form    string
	}{
		{EC256, func(k crypto.Signer) []byte { return sec1(t, k) }, "SEC 1"},
		{EC384, func(k crypto.Signer) []byte { return sec1(t, k) }, "SEC 1"},
		{EC521, func(k crypto.Signer) []byte { return sec1(t, k) }, "SEC 1"},
		{RSA2048, pkcs1, "PKCS 1"},
		{EC256, func(k crypto.Signer) []byte { return pkcs8(t, k) }, "PKCS 8"},
		{RSA3072, func(k crypto.Signer) []byte { return pkcs8(t, k) }, "PKCS 8"},
		{Ed25519, func(k crypto.Signer) []byte { return pkcs8(t, k) }, "PKCS 8"},
	} {
		key := generate(t, test.keyType)
		encoded := test.encode(key)
		leaf := certificate(t, x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}}, key, root)
		parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 0}})
		for _, order := range []struct {
			name    string
			content [][]byte
		}{
			{"key first", [][]byte{encoded, certPEM(leaf, root.cert)}},
			{"key last", [][]byte{certPEM(leaf, root.cert), encoded}},
			{"chain the wrong way round", [][]byte{certPEM(root.cert), encoded, certPEM(leaf)}},
			{"text and parameters between", [][]byte{parameters, encoded, []byte("subject=CN = leaf\n"), certPEM(leaf)}},
			{"carriage returns", [][]byte{bytes.ReplaceAll(slices.Concat(encoded, certPEM(leaf)), []byte("\n"), []byte("\r\n"))}},
		} {
			t.Run(string(test.keyType)+" "+test.form+" "+order.name, func(t *testing.T) {
				p, err := load(Files{Key: write(t, order.content...)})
				require.NoError(t, err)
				assert.True(t, p.cert.Equal(leaf), "found the certificate of %q", p.cert.Subject)
				assert.True(t, samePublicKey(p.signer.Public(), key.Public()), "found the certificate of %q", p.cert.Subject)
			})
		}
		t.Run(string(test.keyType)+" "+test.form+" two files", func(t *testing.T) {
			p, err := load(Files{Key: write(t, encoded), Certificate: write(t, certPEM(leaf))})
			require.NoError(t, err, "pair %v", p)
			assert.True(t, p.cert.Equal(leaf), "pair %v", p)
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	key := generate(t, EC256)
	leaf := certificate(t, x509.Certificate{}, key, nil)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	x25519, err := x509.MarshalPKCS8PrivateKey(exchange)
	require.NoError(t, err)
	t.Setenv("GODEBUG", "rsa1024min=0")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	good := slices.Concat(pkcs8(t, key), certPEM(leaf))
	block := func(kind string, content []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
	}
	for _, test := range []struct {
		name    string
		content []byte
		want    error
	}{
		{"an empty file", nil, errNoKey},
		{"a web page", []byte("<!doctype html><p>404"), errNoKey},
		{"no key", certPEM(leaf), errNoKey},
		{"no certificate", pkcs8(t, key), errNoCertificate},
		{"another key", slices.Concat(pkcs8(t, generate(t, EC256)), certPEM(leaf)), errKeyMismatch},
		{"another kind of key", slices.Concat(pkcs8(t, generate(t, Ed25519)), certPEM(leaf)), errKeyMismatch},
		{"two keys", slices.Concat(good, pkcs8(t, generate(t, EC256))), errSeveralKeys},
		{"expired", slices.Concat(pkcs8(t, key), certPEM(certificate(t, x509.Certificate{NotAfter: start.Add(-time.Second)}, key, nil))), errExpired},
		{"not valid yet", slices.Concat(pkcs8(t, key), certPEM(certificate(t, x509.Certificate{NotBefore: start.Add(time.Minute)}, key, nil))), errNotYetValid},
		{"an authority that must not sign", slices.Concat(pkcs8(t, key), certPEM(certificate(t, x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature}, key, nil))), errCannotSignCertificates},
		{"P-224", slices.Concat(sec1(t, p224), certPEM(certificate(t, x509.Certificate{}, p224, nil))), errUnsupportedKey},
		{"a key that cannot sign", slices.Concat(block("PRIVATE KEY", x25519), certPEM(leaf)), errUnsupportedKey},
		{"RSA 1024", slices.Concat(pkcs1(small), certPEM(leaf)), errRSAKeyTooSmall},
		{"a passphrase", slices.Concat(block("ENCRYPTED PRIVATE KEY", []byte{1}), certPEM(leaf)), errEncryptedKey},
		{"a passphrase of old", []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"), errEncryptedKey},
		{"a certificate that does not decode", slices.Concat(pkcs8(t, key), block("CERTIFICATE", []byte("no"))), errMalformedPEM},
		{"a key that does not decode", slices.Concat(block("PRIVATE KEY", []byte("no")), certPEM(leaf)), errMalformedPEM},
		{"cut off in the certificate", good[:len(good)-60], errMalformedPEM},
		{"cut off in the key", pkcs8(t, key)[:100], errMalformedPEM},
		{"too large", bytes.Repeat(certPEM(leaf), maxPEMSize/len(certPEM(leaf))+1), errFileTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, test.content)
			_, err := load(Files{Key: path})
			require.ErrorIs(t, err, test.want)
			assert.ErrorContains(t, err, path, "error does not name the file")
		})
	}
	t.Run("no such file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "missing.pem")
		_, err := load(Files{Key: path})
		require.ErrorIs(t, err, os.ErrNotExist)
		assert.Equal(t, 1, strings.Count(err.Error(), path))
	})
	t.Run("a folder", func(t *testing.T) {
		_, err := load(Files{Key: t.TempDir()})
		assert.ErrorIs(t, err, errNotRegularFile)
	})
}

func FuzzParsePair(f *testing.F) {
	key := generate(f, EC256)
	leaf := certificate(f, x509.Certificate{}, key, nil)
	f.Add(slices.Concat(pkcs8(f, key), certPEM(leaf)))
	f.Add(slices.Concat(certPEM(leaf), sec1(f, key), certPEM(leaf)))
	f.Add(pkcs8(f, key)[:90])
	f.Add([]byte("-----BEGIN "))
	f.Fuzz(func(t *testing.T, content []byte) {
		p, err := parsePair(content)
		if err != nil {
			return
		}
		assert.True(t, samePublicKey(p.signer.Public(), p.cert.PublicKey), "key and certificate do not belong together")
		_, err = NewSigningKey(p.signer, p.cert)
		assert.NoError(t, err, "accepted a pair that cannot sign")
	})
}
