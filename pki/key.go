package pki

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/dockit-registry/dockit/internal/printable"
)

// storedKey is a record with its certificate and key read.
type storedKey struct {
	Record
	cert *x509.Certificate
	// signer is nil when the private key is gone, or this node cannot open it.
	signer crypto.Signer
	// unproven is set when nothing shows that a node with the encryption key
	// wrote the record. Such a key is listed, and trusted with nothing.
	unproven bool
}

// waiting reports whether nothing says yet when the key takes over.
func (e *storedKey) waiting() bool {
	return e.ActiveFrom.IsZero() && e.RevokedAt.IsZero() && !e.unproven
}

// revoked reports whether the key is unfit for use.
func (e *storedKey) revoked() bool { return !e.RevokedAt.IsZero() }

// life is how long the certificate was meant to live.
func (e *storedKey) life() time.Duration { return e.cert.NotAfter.Sub(e.CreatedAt) }

// keyring is every key of the store, oldest first.
type keyring []*storedKey

func newKeyring(entries []*storedKey) keyring {
	slices.SortFunc(entries, func(a, b *storedKey) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return entries
}

// of returns the keys for one purpose, oldest first.
func (k keyring) of(purpose Purpose, service string) keyring {
	var out keyring
	for _, e := range k {
		if e.Purpose == purpose && e.Service == service {
			out = append(out, e)
		}
	}
	return out
}

// find returns the key with an ID, or nil.
func (k keyring) find(id string) *storedKey {
	for _, e := range k {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// usable leaves out what waits, is revoked, retired or unproven or has lost its
// private key, in the order in which the keys take over.
func (k keyring) usable() keyring {
	var out keyring
	for _, e := range k {
		signs := len(e.PrivateKey) > 0 || e.External
		if signs && !e.unproven && !e.waiting() && !e.revoked() && e.RetiredAt.IsZero() {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b *storedKey) int { return a.ActiveFrom.Compare(b.ActiveFrom) })
	return out
}

// waiting returns the keys that wait, oldest first.
func (k keyring) waiting() keyring {
	var out keyring
	for _, e := range k {
		if e.waiting() {
			out = append(out, e)
		}
	}
	return out
}

// current is the key in use at a time: the last one that took over. When none
// has yet, because another node's clock is ahead, it is the first that will.
func (k keyring) current(now time.Time) *storedKey {
	usable := k.usable()
	for _, e := range slices.Backward(usable) {
		if !e.ActiveFrom.After(now) {
			return e
		}
	}
	if len(usable) > 0 {
		return usable[0]
	}
	return nil
}

// readRecord reads the certificate and, where there is one, the private key.
// A private key that cannot be read is reported beside the rest of the entry.
func readRecord(record Record, seals sealer) (*storedKey, error) {
	cert, err := x509.ParseCertificate(record.Certificate)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of key %s from the database: %w", printable.Clip(record.ID), err)
	}
	e := &storedKey{Record: record, cert: cert}
	if len(record.PrivateKey) == 0 {
		e.checkPrivateKeyless(seals)
		return e, nil
	}
	der, err := seals.open(&record)
	if err != nil {
		return e, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return e, fmt.Errorf("read the private key %s from the database: %w", printable.Clip(record.ID), err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok || !samePublicKey(signer.Public(), cert.PublicKey) {
		return e, fmt.Errorf("%w of %q in the database", errKeyMismatch, cert.Subject)
	}
	if err := e.checkSealed(seals); err != nil {
		return e, err
	}
	e.signer = signer
	return e, nil
}

// newEntry makes a record of a new key.
func newEntry(purpose Purpose, service string, cert *x509.Certificate, signer crypto.Signer, seals sealer, now time.Time) (*storedKey, error) {
	id, err := thumbprint(cert.PublicKey)
	if err != nil {
		return nil, err
	}
	e := &storedKey{
		Record: Record{ID: id, Purpose: purpose, Service: service, Certificate: cert.Raw, CreatedAt: now},
		cert:   cert,
		signer: signer,
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, fmt.Errorf("encode a private key: %w", err)
	}
	seals.seal(&e.Record, der)
	return e, nil
}

var (
	// errUnsupportedKey is returned for a key that is neither ECDSA on P-256,
	// P-384 or P-521, nor RSA, nor Ed25519.
	errUnsupportedKey = errors.New("unsupported kind of key")
	// errRSAKeyTooSmall is returned for an RSA key of less than
	// [minRSABits] bits.
	errRSAKeyTooSmall = errors.New("RSA key is too small")
	// errKeyMismatch is returned when a private key does not belong to the
	// certificate beside it.
	errKeyMismatch = errors.New("private key does not match the certificate")
)

// minRSABits is the size of the smallest RSA key that may sign tokens.
const minRSABits = 2048

// SigningKey signs registry tokens. It does not change once made, and many
// goroutines may use it at once.
type SigningKey struct {
	// Signer is the private key.
	Signer crypto.Signer

	// Chain goes into the x5c header of a token: the certificate of the key
	// first, then what a registry needs to get from there to a certificate in
	// its bundle.
	Chain []*x509.Certificate

	// ID is the RFC 7638 thumbprint of the public key (SHA-256, base64url
	// without padding): the kid header of a token.
	ID string

	// Algorithm is the JWS name of the signature: ES256, ES384, ES512, RS256
	// or EdDSA.
	Algorithm string
}

// NewSigningKey takes a private key and the certificates that stand for it,
// the key's own first.
func NewSigningKey(signer crypto.Signer, chain ...*x509.Certificate) (*SigningKey, error) {
	algorithm, err := algorithmOf(signer.Public())
	if err != nil {
		return nil, err
	}
	if len(chain) > 0 && !samePublicKey(signer.Public(), chain[0].PublicKey) {
		return nil, fmt.Errorf("%w of %q", errKeyMismatch, chain[0].Subject)
	}
	id, err := thumbprint(signer.Public())
	if err != nil {
		return nil, err
	}
	return &SigningKey{Signer: signer, Chain: chain, ID: id, Algorithm: algorithm}, nil
}

// algorithmOf names the JWS algorithm that goes with a public key.
func algorithmOf(public crypto.PublicKey) (string, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return string(jose.ES256), nil
		case elliptic.P384():
			return string(jose.ES384), nil
		case elliptic.P521():
			return string(jose.ES512), nil
		}
		return "", fmt.Errorf("%w: curve %s; use P-256, P-384 or P-521", errUnsupportedKey, key.Params().Name)
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits {
			return "", fmt.Errorf("%w: %d bits; at least %d are needed", errRSAKeyTooSmall, key.N.BitLen(), minRSABits)
		}
		return string(jose.RS256), nil
	case ed25519.PublicKey:
		return string(jose.EdDSA), nil
	default:
		return "", fmt.Errorf("%w: %T; use an EC or RSA key", errUnsupportedKey, public)
	}
}

// thumbprint is the RFC 7638 thumbprint of a public key.
func thumbprint(public crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUnsupportedKey, err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// hasFullCoordinates reports whether a token may name a key by its ID alone.
// That is not so for an elliptic curve key with a coordinate that begins with a
// zero byte: distribution computes another thumbprint for it than RFC 7638 does,
// and refuses the token. Other keys have no coordinates, and pass.
func hasFullCoordinates(public crypto.PublicKey) bool {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return true
	}
	point, err := key.Bytes()
	if err != nil {
		return false
	}
	// An uncompressed point is 4, X, Y, both of the same length.
	size := (len(point) - 1) / 2
	return point[1] != 0 && point[1+size] != 0
}

func samePublicKey(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}
