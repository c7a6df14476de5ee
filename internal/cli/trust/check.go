package trust

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/dockit-registry/dockit/internal/cli"
	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/pki"
)

// clockLeeway is how far this clock and the server's may be apart.
const clockLeeway = 5 * time.Minute

// Format is a form in which a registry takes what it must trust.
type Format struct {
	path string
	// Check says in lines what the content holds, or why no registry should
	// get it.
	check func(content []byte, now time.Time) ([]string, error)
	// fingerprints names each part of the content.
	fingerprints func(content []byte) ([]string, error)
}

// Formats are the forms by name.
var Formats = map[string]Format{
	"pem":  {"/v2/certs/pem", CheckBundle, bundleFingerprints},
	"jwks": {"/v2/certs/jwks", checkKeySet, keySetFingerprints},
}

// ParseBundle takes PEM certificates and nothing else.
func ParseBundle(content []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	rest := content
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("the answer is not a PEM bundle: is this Dockit?")
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("the bundle holds a %s: it must hold certificates only", printable.Clip(block.Type))
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the bundle: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, errors.New("the bundle is empty")
	}
	return certificates, nil
}

// CheckBundle takes PEM certificates and nothing else, at least one of which
// is valid now.
func CheckBundle(content []byte, now time.Time) ([]string, error) {
	certificates, err := ParseBundle(content)
	if err != nil {
		return nil, err
	}
	var summary []string
	valid := 0
	for _, certificate := range certificates {
		state := validityOf(certificate, now)
		if state == "" {
			valid++
		}
		summary = append(summary, fmt.Sprintf("sha256:%s  expires %s%s  %s", pki.Fingerprint(certificate),
			certificate.NotAfter.UTC().Format(time.RFC3339), state, cli.Visible(certificate.Subject.String())))
	}
	if valid == 0 {
		return nil, fmt.Errorf("no certificate of the bundle is valid now: %s: compare the clocks, and see the server's keys", summary[0])
	}
	return summary, nil
}

// validityOf says what is wrong with the dates of a certificate, if anything is.
func validityOf(certificate *x509.Certificate, now time.Time) string {
	switch {
	case now.After(certificate.NotAfter):
		return " EXPIRED"
	case now.Add(clockLeeway).Before(certificate.NotBefore):
		return " NOT VALID YET"
	default:
		return ""
	}
}

// ParseKeySet takes a JWK set with public keys only.
func ParseKeySet(content []byte) (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(content, &set); err != nil {
		return set, fmt.Errorf("the answer is not a JWK set: is this Dockit? %w", err)
	}
	if len(set.Keys) == 0 {
		return set, errors.New("the JWK set is empty")
	}
	for n, key := range set.Keys {
		switch {
		case !key.Valid():
			return set, fmt.Errorf("key %d of the JWK set is not valid", n+1)
		case !key.IsPublic():
			return set, fmt.Errorf("key %d of the JWK set is not a public key", n+1)
		}
	}
	return set, nil
}

// checkKeySet takes a JWK set with public keys only, of which those with a
// certificate have not all expired.
func checkKeySet(content []byte, now time.Time) ([]string, error) {
	set, err := ParseKeySet(content)
	if err != nil {
		return nil, err
	}
	summary := make([]string, 0, len(set.Keys))
	valid := 0
	for n, key := range set.Keys {
		thumbprint, err := thumbprintOf(&key)
		if err != nil {
			return nil, fmt.Errorf("key %d of the JWK set: %w", n+1, err)
		}
		line := fmt.Sprintf("kid %s", cli.Visible(key.KeyID))
		if key.KeyID != thumbprint {
			line += "  thumbprint " + thumbprint
		}
		state := ""
		if len(key.Certificates) > 0 {
			state = validityOf(key.Certificates[0], now)
			line += fmt.Sprintf("  expires %s%s", key.Certificates[0].NotAfter.UTC().Format(time.RFC3339), state)
		}
		if state == "" {
			valid++
		}
		summary = append(summary, line)
	}
	if valid == 0 {
		return nil, fmt.Errorf("no key of the JWK set is valid now: %s: compare the clocks, and see the server's keys", summary[0])
	}
	return summary, nil
}

// thumbprintOf is the RFC 7638 thumbprint of a key.
func thumbprintOf(key *jose.JSONWebKey) (string, error) {
	sum, err := key.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}
