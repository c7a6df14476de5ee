package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
)

// minEncryptionKeyLength is how many bytes the text of an encryption key has
// at least. 32 random bytes in base64 or hexadecimal are well above it.
const minEncryptionKeyLength = 32

var (
	// errEncryptionKeyTooShort is returned for an encryption key that could
	// be guessed.
	errEncryptionKeyTooShort = errors.New("encryption key is too short")
	// errSealed is returned when private keys in the store are sealed and no
	// encryption key was given.
	errSealed = errors.New("private keys in the database are encrypted, and no encryption key is configured")
	// errWrongEncryptionKey is returned when private keys in the store are
	// sealed under another encryption key than those given.
	errWrongEncryptionKey = errors.New("wrong encryption key")
	// errTampered is returned when a sealed private key or what stands beside
	// it was changed, or moved to another record.
	errTampered = errors.New("signing key in the database was damaged or tampered with")
)

// EncryptionKey seals private keys at rest, with AES-256-GCM, and authenticates
// what stands beside them, with HMAC-SHA256, under keys that are derived from
// the operator's.
type EncryptionKey struct {
	name string
	aead cipher.AEAD
	// macKey authenticates whole records.
	macKey []byte
}

// newEncryptionKey derives an encryption key from a secret text of at least
// [minEncryptionKeyLength] bytes. It should be random: nothing here slows down
// the guessing of a passphrase.
func newEncryptionKey(secret string) (EncryptionKey, error) {
	if len(secret) < minEncryptionKeyLength {
		return EncryptionKey{}, fmt.Errorf("%w: %d bytes; make one of at least %d, for example with: openssl rand -base64 48",
			errEncryptionKeyTooShort, len(secret), minEncryptionKeyLength)
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "dockit pki sealing key 1", 32)
	if err != nil {
		return EncryptionKey{}, err
	}
	name, err := hkdf.Key(sha256.New, []byte(secret), nil, "dockit pki sealing key name 1", 8)
	if err != nil {
		return EncryptionKey{}, err
	}
	macKey, err := hkdf.Key(sha256.New, []byte(secret), nil, "dockit pki record key 1", 32)
	if err != nil {
		return EncryptionKey{}, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return EncryptionKey{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return EncryptionKey{}, err
	}
	return EncryptionKey{name: hex.EncodeToString(name), aead: aead, macKey: macKey}, nil
}

// ParseEncryptionKeys reads the content of a key file: one key a line, empty
// lines ignored. The first line seals. Further lines open what was sealed
// before: to change the key, put the new one above the old one.
func ParseEncryptionKeys(text string) ([]EncryptionKey, error) {
	var keys []EncryptionKey
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		key, err := newEncryptionKey(line)
		if err != nil {
			return nil, fmt.Errorf("encryption key %d: %w", len(keys)+1, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: it is empty", errEncryptionKeyTooShort)
	}
	return keys, nil
}

// String names the key without giving it away.
func (k EncryptionKey) String() string { return "encryption key " + k.name }

// sealer seals with the first of its keys and opens with any. With a key, it
// opens nothing that stands in the clear, unless it is to adopt that.
type sealer struct {
	keys  []EncryptionKey
	adopt bool
}

// seal puts a PKCS#8 key into a record.
func (s sealer) seal(record *Record, key []byte) {
	if len(s.keys) == 0 {
		record.PrivateKey, record.Sealing = key, ""
		return
	}
	record.Sealing = s.keys[0].name
	// The cipher makes a random nonce by itself and puts it in front.
	record.PrivateKey = s.keys[0].aead.Seal(nil, nil, key, binding(record)) //nolint:gosec // nil is no nonce here
}

// open takes the PKCS#8 key out of a record.
func (s sealer) open(record *Record) ([]byte, error) {
	if record.Sealing == "" {
		if len(s.keys) > 0 && !s.adopt {
			return nil, fmt.Errorf("%w: key %s", ErrUnsealed, printable.Clip(record.ID))
		}
		return record.PrivateKey, nil
	}
	if len(s.keys) == 0 {
		return nil, fmt.Errorf("%w: give the one named %s", errSealed, printable.Clip(record.Sealing))
	}
	for _, key := range s.keys {
		if key.name != record.Sealing {
			continue
		}
		plain, err := key.aead.Open(nil, nil, record.PrivateKey, binding(record))
		if err != nil {
			return nil, fmt.Errorf("%w: key %s", errTampered, printable.Clip(record.ID))
		}
		return plain, nil
	}
	return nil, fmt.Errorf("%w: private keys are sealed under the one named %s, the configured one is named %s; when the key changes, keep the old one on a line below the new one",
		errWrongEncryptionKey, printable.Clip(record.Sealing), s.keys[0].name)
}

// settled reports whether the record stands as it should: sealed, and
// authenticated, under the first key.
func (s sealer) settled(record *Record) bool {
	if len(s.keys) == 0 {
		return true
	}
	if len(record.PrivateKey) > 0 && record.Sealing != s.keys[0].name {
		return false
	}
	return hmac.Equal(record.MAC, s.keys[0].mac(record))
}

// binding ties a sealed key to its record, so that it cannot be put in the
// place of another one.
func binding(record *Record) []byte {
	fields := []string{"dockit pki 1", record.ID, string(record.Purpose), record.Service}
	var out []byte
	for _, field := range fields {
		out = fmt.Appendf(out, "%d:%s", len(field), field)
	}
	return out
}

// ErrUnsealed is returned when a private key in the store stands in the clear
// although an encryption key was given: an attacker without an encryption key has
// put it there, or encryption was off until now, see [Options.SealExisting].
var ErrUnsealed = errors.New("private keys in the database are not encrypted, although an encryption key is configured")

// authenticate writes down that the record is as this node wants it. Who can
// write to the database, but has no encryption key, can not do the same.
func (s sealer) authenticate(record *Record) {
	record.MAC = nil
	if len(s.keys) > 0 {
		record.MAC = s.keys[0].mac(record)
	}
}

// authentic reports whether a node with one of the encryption keys has written
// the record as it is. Without encryption keys the database is believed.
func (s sealer) authentic(record *Record) bool {
	for _, key := range s.keys {
		if hmac.Equal(record.MAC, key.mac(record)) {
			return true
		}
	}
	return len(s.keys) == 0
}

// adopts reports whether a record that is neither sealed nor authenticated is to
// be believed all the same.
func (s sealer) adopts(record *Record) bool {
	return s.adopt && record.Sealing == "" && len(record.MAC) == 0
}

// mac covers all of a record but itself: also what a record without a private
// key says, for its certificate may be one that registries are told to trust.
func (k EncryptionKey) mac(record *Record) []byte {
	at := func(t time.Time) []byte {
		if t.IsZero() {
			return nil
		}
		return fmt.Appendf(nil, "%d", t.UnixMicro())
	}
	hash := hmac.New(sha256.New, k.macKey)
	for _, field := range [][]byte{
		[]byte("dockit pki record 1"),
		[]byte(record.ID), []byte(record.Purpose), []byte(record.Service), []byte(record.Issuer),
		record.Certificate, record.PrivateKey, []byte(record.Sealing), fmt.Append(nil, record.External),
		at(record.CreatedAt), at(record.ActiveFrom), at(record.RetiredAt), at(record.RevokedAt),
	} {
		fmt.Fprintf(hash, "%d:", len(field))
		hash.Write(field)
	}
	return hash.Sum(nil)
}

// checkPrivateKeyless decides about a record without a private key. Nothing
// in it is secret, so that anyone with the database could have written it.
func (e *storedKey) checkPrivateKeyless(seals sealer) {
	e.unproven = !seals.authentic(&e.Record) && !seals.adopts(&e.Record)
}

// checkSealed decides about a record whose private key was opened. One that
// was sealed before records were authenticated has no MAC. Its private key is
// genuine, and its certificate is proven by a signature that takes a genuine
// private key as well: its own, or that of the authority above it.
func (e *storedKey) checkSealed(seals sealer) error {
	switch {
	case seals.authentic(&e.Record), seals.adopts(&e.Record):
		return nil
	case len(e.MAC) > 0:
		return fmt.Errorf("%w: the record of key %s", errTampered, printable.Clip(e.ID))
	case e.Purpose == Shared:
		e.unproven = true // until its authority proves it
		return nil
	default:
		if err := e.cert.CheckSignature(e.cert.SignatureAlgorithm, e.cert.RawTBSCertificate, e.cert.Signature); err != nil {
			return fmt.Errorf("%w: the certificate of key %s", errTampered, printable.Clip(e.ID))
		}
		return nil
	}
}

// prove looks for what proves the records that do not prove themselves: the
// authorities of the store whose private key is genuine, and the file of this
// node.
func (k keyring) prove(external *pair) {
	for _, e := range k {
		if !e.unproven {
			continue
		}
		if external != nil && e.External && e.Purpose == Authority && e.cert.Equal(external.cert) {
			e.unproven = false
		}
		if e.Purpose != Shared || len(e.PrivateKey) == 0 {
			continue
		}
		var authorities []*x509.Certificate
		if issuer := k.find(e.Issuer); issuer != nil && issuer.Purpose == Authority && issuer.signer != nil && !issuer.unproven {
			authorities = append(authorities, issuer.cert)
		}
		if external != nil && external.cert.IsCA {
			authorities = append(authorities, external.cert)
		}
		for _, authority := range authorities {
			if e.cert.CheckSignatureFrom(authority) == nil {
				e.unproven = false
			}
		}
	}
}

// unprovenError names a key that is not believed, unless it says itself that it
// is out of use.
func (k keyring) unprovenError() error {
	for _, e := range k {
		if e.unproven && !e.revoked() && e.RetiredAt.IsZero() {
			return fmt.Errorf("%w: nobody with the encryption key has written the record of key %s, for purpose %s, with the certificate sha256:%s: it is not used, and registries are not told to trust it",
				errTampered, printable.Clip(e.ID), e.Purpose, Fingerprint(e.cert))
		}
	}
	return nil
}
