package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

const (
	// authorityLife is how long an authority of Dockit's own is valid.
	authorityLife = 20 * 365 * 24 * time.Hour

	// backdate is how far in the past a certificate starts to be valid.
	// Registries check its dates with no leeway, and their clocks differ.
	backdate = 10 * time.Minute
)

// ErrAuthorityExpires is returned when an authority has too little time left
// for a signing certificate under it.
var ErrAuthorityExpires = errors.New("certificate authority expires too soon")

// newAuthority makes a certificate authority that can do nothing but sign
// token certificates: no further authority fits below it, and its key may
// neither sign a token nor a revocation list.
func newAuthority(now time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := EC256.GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("making the key of a certificate authority: %w", err)
	}
	name, err := shortName(key.Public())
	if err != nil {
		return nil, nil, err
	}
	cert, err := issue(&x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"Dockit"}, CommonName: "Registry token authority " + name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}, nil, key.Public(), key)
	return cert, key, err
}

// newLeaf makes a signing certificate under an authority, for a key of its own.
func newLeaf(keyType KeyType, authority *x509.Certificate, authorityKey crypto.Signer, now, notAfter time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := keyType.GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("making a signing key: %w", err)
	}
	template, err := leafTemplate(key.Public(), now, notAfter)
	if err != nil {
		return nil, nil, err
	}
	cert, err := issue(template, authority, key.Public(), authorityKey)
	return cert, key, err
}

// newStandalone makes a signing certificate that is its own trust anchor, for
// registries that know single keys and no authority.
func newStandalone(keyType KeyType, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := keyType.GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("making a signing key: %w", err)
	}
	template, err := leafTemplate(key.Public(), now, now.Add(authorityLife))
	if err != nil {
		return nil, nil, err
	}
	cert, err := issue(template, nil, key.Public(), key)
	return cert, key, err
}

func leafTemplate(public crypto.PublicKey, now, notAfter time.Time) (*x509.Certificate, error) {
	name, err := shortName(public)
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"Dockit"}, CommonName: "Registry token signer " + name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}, nil
}

// issue signs a certificate; without a parent it is self-signed.
func issue(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of %q: %w", template.Subject, err)
	}
	return x509.ParseCertificate(der)
}

// shortName tells certificates apart for people who read them.
func shortName(public crypto.PublicKey) (string, error) {
	id, err := thumbprint(public)
	if err != nil {
		return "", err
	}
	return id[:8], nil
}

// Fingerprint is the SHA-256 of a certificate in hexadecimal, as openssl and
// browsers show it, without colons.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

func encodeCertificates(certs []*x509.Certificate) []byte {
	var out []byte
	for _, cert := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return out
}
