// Package jwkset reads the JWK sets that issuers publish (RFC 7517), key by key: a
// key that is not understood hides no other.
package jwkset

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// MaxKeys is how many keys are read of a set.
	MaxKeys = 128
	// maxIDLength is the longest kid, in bytes.
	maxIDLength = 512
	// An RSA key of fewer bits is too weak. One of more takes long to check with.
	minRSABits, maxRSABits = 2048, 8192
)

var (
	// ErrInvalid is returned for what is no JWK set.
	ErrInvalid = errors.New("invalid JWK set")
	// ErrPrivate says that a key is left out because it holds what no other party may
	// know: it is private, or symmetric.
	ErrPrivate = errors.New("the key is secret and must be replaced: publish public keys only")
	// errUnknown says that a key is of a sort that signs nothing that is taken.
	errUnknown = errors.New("unknown sort of key")
)

// Set holds what is usable of a JWK set.
type Set struct {
	Keys    []Key
	Skipped []Skipped
}

// Skipped is a key that is left out.
type Skipped struct {
	// ID is its kid, clipped, or empty.
	ID string
	// Reason says why.
	Reason error
}

// String says which key is left out, and why.
func (s Skipped) String() string {
	if s.ID == "" {
		return "a key without a kid: " + s.Reason.Error()
	}
	return fmt.Sprintf("key %q: %v", s.ID, s.Reason)
}

// Key is a public key that checks signatures.
type Key struct {
	// ID is its kid, or empty.
	ID string
	// Public is an [*rsa.PublicKey], [*ecdsa.PublicKey] or [ed25519.PublicKey].
	Public crypto.PublicKey
	// algorithms are those that the key may check.
	algorithms []string
}

// Checks reports whether the key may check a signature by an algorithm, as the
// alg of a token names it.
func (k Key) Checks(algorithm string) bool { return slices.Contains(k.algorithms, algorithm) }

// Parse reads a JWK set. A set without usable keys is none to complain of. Errors:
// [ErrInvalid].
func Parse(document []byte) (Set, error) {
	var raw struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &raw); err != nil {
		return Set{}, fmt.Errorf("%w: it is not JSON as expected: %w", ErrInvalid, err)
	}
	if raw.Keys == nil {
		return Set{}, fmt.Errorf(`%w: it has no list of keys: {"keys": [...]} is expected`, ErrInvalid)
	}
	if len(*raw.Keys) > MaxKeys {
		return Set{}, fmt.Errorf("%w: it has %d keys, at most %d are read", ErrInvalid, len(*raw.Keys), MaxKeys)
	}
	var set Set
	for _, document := range *raw.Keys {
		key, id, err := parseKey(document)
		if err != nil {
			set.Skipped = append(set.Skipped, Skipped{printable.Clip(printable.Line(id)), err})
			continue
		}
		set.Keys = append(set.Keys, key)
	}
	return set, nil
}

// With are the keys that a token may be signed with, by its kid and alg. A token
// without a kid may be signed with any.
func (s Set) With(id, algorithm string) []Key {
	var keys []Key
	for _, key := range s.Keys {
		if (id == "" || key.ID == id) && key.Checks(algorithm) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Has reports whether a key of that kid is there.
func (s Set) Has(id string) bool {
	return slices.ContainsFunc(s.Keys, func(k Key) bool { return k.ID == id })
}

// members are what counts of a key. What else stands in it, such as certificates,
// is not looked at and spoils nothing.
type members struct {
	Kty    string   `json:"kty,omitempty"`
	Kid    string   `json:"kid,omitempty"`
	Use    string   `json:"use,omitempty"`
	Alg    string   `json:"alg,omitempty"`
	Crv    string   `json:"crv,omitempty"`
	N      string   `json:"n,omitempty"`
	E      string   `json:"e,omitempty"`
	X      string   `json:"x,omitempty"`
	Y      string   `json:"y,omitempty"`
	KeyOps []string `json:"key_ops,omitempty"`
}

// secrets are what only private and symmetric keys have.
type secrets struct {
	D    any `json:"d"`
	K    any `json:"k"`
	Priv any `json:"priv"`
}

func parseKey(document []byte) (Key, string, error) {
	var kept members
	if err := json.Unmarshal(document, &kept); err != nil {
		return Key{}, "", fmt.Errorf("it is no JWK: %w", err)
	}
	var secret secrets
	if err := json.Unmarshal(document, &secret); err != nil {
		return Key{}, kept.Kid, fmt.Errorf("it is no JWK: %w", err)
	}
	if secret.D != nil || secret.K != nil || secret.Priv != nil {
		return Key{}, kept.Kid, ErrPrivate
	}
	if err := kept.fault(); err != nil {
		return Key{}, kept.Kid, err
	}
	public, err := kept.public()
	if err != nil {
		return Key{}, kept.Kid, err
	}
	key := Key{ID: kept.Kid, Public: public, algorithms: algorithms(public)}
	if kept.Alg != "" {
		if !key.Checks(kept.Alg) {
			return Key{}, kept.Kid, fmt.Errorf("it is for the algorithm %q, which is not taken", printable.Clip(kept.Alg))
		}
		key.algorithms = []string{kept.Alg}
	}
	return key, kept.Kid, nil
}

func (m members) fault() error {
	switch {
	case len(m.Kid) > maxIDLength:
		return fmt.Errorf("its kid is %d bytes long, at most %d are allowed", len(m.Kid), maxIDLength)
	case m.Use != "" && m.Use != "sig" && m.Use != "jwt-svid": // the latter in bundles of SPIFFE
		return fmt.Errorf("it is not for signatures: its use is %q", printable.Clip(m.Use))
	case len(m.KeyOps) > 0 && !slices.Contains(m.KeyOps, "verify"):
		return errors.New("it is not for checking signatures: its key_ops have no verify")
	default:
		return nil
	}
}

// public is the key itself.
func (m members) public() (crypto.PublicKey, error) {
	if !slices.Contains([]string{"RSA", "EC", "OKP"}, m.Kty) {
		return nil, fmt.Errorf("%w %q", errUnknown, printable.Clip(m.Kty))
	}
	// Neither certificates nor the rest reaches the parser of the key.
	document, err := json.Marshal(members{Kty: m.Kty, Crv: m.Crv, N: m.N, E: m.E, X: m.X, Y: m.Y})
	if err != nil {
		return nil, err
	}
	var parsed jose.JSONWebKey
	if err := parsed.UnmarshalJSON(document); err != nil {
		return nil, fmt.Errorf("read it: %w", err)
	}
	switch key := parsed.Key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("it has %d bits, %d to %d are taken", bits, minRSABits, maxRSABits)
		}
		if key.E < 3 || key.E%2 == 0 {
			return nil, fmt.Errorf("its exponent %d is not taken", key.E)
		}
		return key, nil
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return key, nil
	default:
		return nil, fmt.Errorf("%w %q", errUnknown, printable.Clip(m.Kty))
	}
}

// algorithms are those that a key may check: of an elliptic curve its own only.
func algorithms(public crypto.PublicKey) []string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		return map[int][]string{256: {"ES256"}, 384: {"ES384"}, 521: {"ES512"}}[key.Curve.Params().BitSize]
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	default:
		return nil
	}
}
