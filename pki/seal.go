package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// MinEncryptionKeyLength is how many bytes the text of an encryption key has
// at least. 32 random bytes in base64 or hexadecimal are well above it.
const MinEncryptionKeyLength = 32

var (
	// ErrEncryptionKeyTooShort is returned for an encryption key that could
	// be guessed.
	ErrEncryptionKeyTooShort = errors.New("encryption key is too short")
	// ErrSealed is returned when private keys in the store are sealed and no
	// encryption key was given.
	ErrSealed = errors.New("private keys in the database are encrypted, and no encryption key is configured")
	// ErrWrongEncryptionKey is returned when private keys in the store are
	// sealed under another encryption key than those given.
	ErrWrongEncryptionKey = errors.New("wrong encryption key")
	// ErrTampered is returned when a sealed private key or what stands beside
	// it was changed, or moved to another record.
	ErrTampered = errors.New("signing key in the database was damaged or tampered with")
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

// NewEncryptionKey derives an encryption key from a secret text of at least
// [MinEncryptionKeyLength] bytes. It should be random: nothing here slows down
// the guessing of a passphrase.
func NewEncryptionKey(secret string) (EncryptionKey, error) {
	if len(secret) < MinEncryptionKeyLength {
		return EncryptionKey{}, fmt.Errorf("%w: %d bytes; make one of at least %d, for example with: openssl rand -base64 48",
			ErrEncryptionKeyTooShort, len(secret), MinEncryptionKeyLength)
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
		key, err := NewEncryptionKey(line)
		if err != nil {
			return nil, fmt.Errorf("encryption key %d: %w", len(keys)+1, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrEncryptionKeyTooShort)
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
			return nil, fmt.Errorf("%w: key %s", ErrUnsealed, clip(record.ID))
		}
		return record.PrivateKey, nil
	}
	if len(s.keys) == 0 {
		return nil, fmt.Errorf("%w: give the one named %s", ErrSealed, clip(record.Sealing))
	}
	for _, key := range s.keys {
		if key.name != record.Sealing {
			continue
		}
		plain, err := key.aead.Open(nil, nil, record.PrivateKey, binding(record))
		if err != nil {
			return nil, fmt.Errorf("%w: key %s", ErrTampered, clip(record.ID))
		}
		return plain, nil
	}
	return nil, fmt.Errorf("%w: private keys are sealed under the one named %s, the configured one is named %s; when the key changes, keep the old one on a line below the new one",
		ErrWrongEncryptionKey, clip(record.Sealing), s.keys[0].name)
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
