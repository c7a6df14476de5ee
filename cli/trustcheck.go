package cli

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// clockLeeway is how far this clock and the server's may be apart.
const clockLeeway = 5 * time.Minute

// checkBundle takes PEM certificates and nothing else, at least one of which
// is valid now.
func checkBundle(content []byte, now time.Time) ([]string, error) {
	var summary []string
	valid := 0
	rest := content
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("the answer is not a PEM bundle: is this Dockit?")
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("the bundle holds a %s: it must hold certificates only", clip(block.Type))
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the bundle: %w", len(summary)+1, err)
		}
		state := ""
		switch {
		case now.After(certificate.NotAfter):
			state = " EXPIRED"
		case now.Add(clockLeeway).Before(certificate.NotBefore):
			state = " NOT VALID YET"
		default:
			valid++
		}
		sum := sha256.Sum256(certificate.Raw)
		summary = append(summary, fmt.Sprintf("sha256:%s  expires %s%s  %s",
			hex.EncodeToString(sum[:]), certificate.NotAfter.UTC().Format(time.RFC3339), state, certificate.Subject))
	}
	switch {
	case len(summary) == 0:
		return nil, errors.New("the bundle is empty")
	case valid == 0:
		return nil, fmt.Errorf("no certificate of the bundle is valid now: %s: compare the clocks, and see the server's keys", summary[0])
	}
	return summary, nil
}

// checkKeySet takes a JWK set with public keys only.
func checkKeySet(content []byte, _ time.Time) ([]string, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(content, &set); err != nil {
		return nil, fmt.Errorf("the answer is not a JWK set: is this Dockit? %w", err)
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("the JWK set is empty")
	}
	summary := make([]string, 0, len(set.Keys))
	for n, key := range set.Keys {
		switch {
		case !key.Valid():
			return nil, fmt.Errorf("key %d of the JWK set is not valid", n+1)
		case !key.IsPublic():
			return nil, fmt.Errorf("key %d of the JWK set is not a public key", n+1)
		}
		thumbprint, err := key.Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("key %d of the JWK set: %w", n+1, err)
		}
		summary = append(summary, fmt.Sprintf("kid %s  thumbprint %s", clip(key.KeyID), base64.RawURLEncoding.EncodeToString(thumbprint)))
	}
	return summary, nil
}
