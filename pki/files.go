package pki

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
)

// maxPEMSize bounds a file with a key and certificates: far above any chain,
// far below what would hurt.
const maxPEMSize = 1 << 20

var (
	// errFileTooLarge is returned for a file that cannot be a key and a few
	// certificates.
	errFileTooLarge = errors.New("file is too large")
	// errNotRegularFile is returned for a path that is no regular file.
	errNotRegularFile = errors.New("not a regular file")
	// errMalformedPEM is returned for a file that is cut off, or whose content
	// does not decode.
	errMalformedPEM = errors.New("malformed PEM")
	// errNoKey is returned for a file without a private key.
	errNoKey = errors.New("no private key")
	// errSeveralKeys is returned for a file with more than one private key.
	errSeveralKeys = errors.New("more than one private key")
	// errEncryptedKey is returned for a private key behind a passphrase.
	errEncryptedKey = errors.New("private key is protected by a passphrase")
	// errNoCertificate is returned for a file without a certificate.
	errNoCertificate = errors.New("no certificate")
	// errExpired is returned for a certificate that is past its end, or so
	// close to it that no token can be signed with it.
	errExpired = errors.New("certificate has expired")
	// errNotYetValid is returned for a certificate whose time has not come.
	errNotYetValid = errors.New("certificate is not valid yet")
	// errCannotSignCertificates is returned for the certificate of an
	// authority that its own key usage keeps from signing certificates.
	errCannotSignCertificates = errors.New("certificate authority must not sign certificates by its own key usage")
)

// Files says where a private key and its certificate were brought to.
type Files struct {
	// Key is a PEM file with the private key, in PKCS #1, SEC 1 or PKCS #8.
	Key string

	// Certificate is a PEM file with the certificate and its chain, in any
	// order. Left empty, they stand in the key's file.
	Certificate string
}

// String names the files for messages.
func (f Files) String() string {
	if f.Certificate == "" {
		return fmt.Sprintf("pki file %q", f.Key)
	}
	return fmt.Sprintf("pki files %q and %q", f.Key, f.Certificate)
}

// paths lists the files there are.
func (f Files) paths() []string {
	if f.Certificate == "" || f.Certificate == f.Key {
		return []string{f.Key}
	}
	return []string{f.Key, f.Certificate}
}

// Digest is the SHA-256 of what [Files] hold.
type Digest [sha256.Size]byte

// read returns the content of the files, one after the other.
func (f Files) read() ([]byte, error) {
	var all []byte
	for _, path := range f.paths() {
		content, err := readPEMFile(path)
		if err != nil {
			return nil, fmt.Errorf("read pki file %q: %w", path, err)
		}
		all = append(append(all, content...), '\n')
	}
	return all, nil
}

func readPEMFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegularFile
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxPEMSize+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(content) > maxPEMSize {
		return nil, fmt.Errorf("%w: more than %d bytes", errFileTooLarge, maxPEMSize)
	}
	return content, nil
}

// withoutPath leaves the path to the message around the error.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// pair is a private key with its certificate.
type pair struct {
	signer crypto.Signer
	cert   *x509.Certificate
}

// parse checks what was read from the files.
func (f Files) parse(content []byte, now time.Time) (*pair, error) {
	p, err := parsePair(content)
	if err == nil {
		err = p.check(now)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	return p, nil
}

// parsePair finds the private key and the certificate that belongs to it,
// wherever they stand. Further certificates are its chain, which no registry
// needs: the external certificate itself is what they trust.
func parsePair(content []byte) (*pair, error) {
	var (
		signer crypto.Signer
		certs  []*x509.Certificate
	)
	for {
		block, rest := pem.Decode(content)
		if block == nil {
			if bytes.Contains(content, []byte("-----BEGIN ")) {
				return nil, fmt.Errorf("%w: a block is damaged or cut off", errMalformedPEM)
			}
			break
		}
		content = rest
		switch block.Type {
		case "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%w: certificate %d: %w", errMalformedPEM, len(certs)+1, err)
			}
			certs = append(certs, cert)
		case "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
			key, err := parsePrivateKey(block)
			if err != nil {
				return nil, err
			}
			if signer != nil {
				return nil, fmt.Errorf("%w: leave only the one that belongs to the certificate", errSeveralKeys)
			}
			signer = key
		}
	}
	if signer == nil {
		return nil, fmt.Errorf("%w: put one into the file, as PKCS #1, SEC 1 or PKCS #8 in PEM", errNoKey)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("%w: put the one of the private key into the file, in PEM", errNoCertificate)
	}
	for _, cert := range certs {
		if samePublicKey(signer.Public(), cert.PublicKey) {
			return &pair{signer, cert}, nil
		}
	}
	return nil, fmt.Errorf("%w: looked at %d, the first is of %q", errKeyMismatch, len(certs), printable.Clip(certs[0].Subject.String()))
}

// parsePrivateKey reads a key of a kind and size that may sign tokens. No
// error of it repeats any part of the key.
func parsePrivateKey(block *pem.Block) (crypto.Signer, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, fmt.Errorf("%w: write it without one, for example with: openssl pkey", errEncryptedKey)
	}
	var (
		key any
		err error
	)
	switch block.Type {
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: private key: %w", errMalformedPEM, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: %T; use an EC or RSA key", errUnsupportedKey, key)
	}
	if _, err := algorithmOf(signer.Public()); err != nil {
		return nil, err
	}
	return signer, nil
}

// check reports why tokens or certificates cannot be signed now.
func (p *pair) check(now time.Time) error {
	switch {
	case now.After(p.cert.NotAfter):
		return fmt.Errorf("%w: %q ended at %s", errExpired, printable.Clip(p.cert.Subject.String()), p.cert.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(p.cert.NotBefore):
		return fmt.Errorf("%w: %q starts at %s", errNotYetValid, printable.Clip(p.cert.Subject.String()), p.cert.NotBefore.UTC().Format(time.RFC3339))
	case p.cert.IsCA && p.cert.KeyUsage != 0 && p.cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("%w: %q", errCannotSignCertificates, printable.Clip(p.cert.Subject.String()))
	}
	return nil
}

// externalHistory is the certificate from the file, and those it had before
// while their tokens may still be valid.
type externalHistory struct {
	content Digest
	current *pair
	since   time.Time
	before  []formerPair
}

// formerPair is a certificate that the file does not hold any more.
type formerPair struct {
	*pair
	since   time.Time
	retired time.Time
}

// replace takes another pair into use.
func (b *externalHistory) replace(p *pair, content Digest, now time.Time) {
	if b.current != nil {
		b.before = append([]formerPair{{b.current, b.since, now}}, b.before...)
	}
	b.current, b.content, b.since = p, content, now
}

// forget drops the certificates of which no token can be valid any more.
func (b *externalHistory) forget(now time.Time, verification time.Duration) {
	var kept []formerPair
	for _, former := range b.before {
		if !now.After(former.retired.Add(verification)) {
			kept = append(kept, former)
		}
	}
	b.before = kept
}

// standaloneTrust: registries trust the external certificate itself.
func (p *plan) standaloneTrust(external *externalHistory) (*trust, error) {
	var b trustBuilder
	key, err := NewSigningKey(external.current.signer, external.current.cert)
	if err != nil {
		return nil, err
	}
	b.trust.slots = []slot{{
		key:   key,
		from:  external.since,
		until: external.current.cert.NotAfter.Add(-p.options.verification()),
	}}
	b.anchor(external.current.cert)
	b.vouch(key)
	if err := b.verify(external.current.cert); err != nil {
		return nil, err
	}
	if err := b.former(external); err != nil {
		return nil, err
	}
	return b.build(), nil
}

// former keeps the certificates that the file held before.
func (b *trustBuilder) former(external *externalHistory) error {
	if external == nil {
		return nil
	}
	for _, former := range external.before {
		if former.cert.IsCA {
			continue // its leaves stand in the store
		}
		b.anchor(former.cert)
		if err := b.verify(former.cert); err != nil {
			return err
		}
		key, err := NewSigningKey(former.signer, former.cert)
		if err != nil {
			return err
		}
		b.vouch(key)
	}
	return nil
}

func (b *externalHistory) inventory() []KeyInfo {
	describe := func(cert *x509.Certificate, since time.Time) KeyInfo {
		info := describeCertificate(cert)
		info.ID, _ = thumbprint(cert.PublicKey) // only keys that have one are loaded
		info.Purpose, info.State, info.External = Shared, Active, true
		info.CreatedAt, info.ActiveFrom = since, since
		return info
	}
	out := []KeyInfo{describe(b.current.cert, b.since)}
	for _, former := range b.before {
		info := describe(former.cert, former.since)
		info.State, info.RetiredAt = Retired, former.retired
		out = append(out, info)
	}
	return out
}

// Replaced is a key that another one took over from.
type Replaced struct {
	Purpose Purpose
	// Service is the one that had the key to itself, or empty.
	Service string
	// KeyID is that of the key that was replaced.
	KeyID string
	// External is set for a key of the pki file, which changed.
	External bool
}

// replaced is the certificate that the file held before.
func (b *externalHistory) replaced() Replaced {
	former := b.before[0].cert
	id, _ := thumbprint(former.PublicKey) // only keys that have one are loaded
	purpose := Shared
	if former.IsCA {
		purpose = Authority
	}
	return Replaced{Purpose: purpose, KeyID: id, External: true}
}
