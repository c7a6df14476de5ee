// Package trust checks tokens as a registry does that has read Dockit's bundle once.
package trust

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Bundle is what a registry has read when it was started, and never again.
type Bundle struct {
	roots *x509.CertPool
	// PEM is the text of the bundle.
	PEM string
}

// Parse reads a bundle.
func Parse(pem string) (*Bundle, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("there is no certificate in the bundle")
	}
	return &Bundle{roots, pem}, nil
}

// Verify checks a token as a registry does, and that it allows to pull a repository.
func (t *Bundle) Verify(token, repository string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("no JWT")
	}
	var header struct {
		Algorithm string `json:"alg"`
		// Chain is DER in base64, which is how JSON has bytes.
		Chain [][]byte `json:"x5c"`
	}
	var claims struct {
		Audience any   `json:"aud"`
		Expires  int64 `json:"exp"`
		Begins   int64 `json:"nbf"`
		Access   []struct {
			Type, Name string
			Actions    []string
		}
	}
	for part, into := range map[string]any{parts[0]: &header, parts[1]: &claims} {
		decoded, err := base64.RawURLEncoding.DecodeString(part)
		if err == nil {
			err = json.Unmarshal(decoded, into)
		}
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
	}
	if header.Algorithm != "ES256" || len(header.Chain) == 0 {
		return fmt.Errorf("signed by %s with %d certificates", header.Algorithm, len(header.Chain))
	}
	leaf, err := x509.ParseCertificate(header.Chain[0])
	if err != nil {
		return fmt.Errorf("read the certificate of the token: %w", err)
	}
	between := x509.NewCertPool()
	for _, der := range header.Chain[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: t.roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return fmt.Errorf("the certificate of the token: %w", err)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if err != nil || !ok || len(signature) != 64 {
		return errors.New("the signature cannot be read")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return errors.New("the signature is wrong")
	}
	if time.Unix(claims.Expires, 0).Before(time.Now()) {
		return errors.New("the token has ended")
	}
	if time.Unix(claims.Begins, 0).After(time.Now()) {
		return errors.New("the token is not good yet")
	}
	for _, a := range claims.Access {
		if a.Type == "repository" && a.Name == repository && slices.Contains(a.Actions, "pull") {
			return nil
		}
	}
	return ErrNotAllowed
}

// ErrNotAllowed is returned for a token that is good for something else.
var ErrNotAllowed = errors.New("the token does not allow what was asked for")
