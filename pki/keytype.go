package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
)

// KeyType is an algorithm together with the size of its key.
type KeyType string

// ECDSA on P-256 is what every registry takes, quickly signed and short.
// Registry 2.8 does not know Ed25519.
const (
	EC256   KeyType = "ec256"
	EC384   KeyType = "ec384"
	EC521   KeyType = "ec521"
	RSA2048 KeyType = "rsa2048"
	RSA3072 KeyType = "rsa3072"
	RSA4096 KeyType = "rsa4096"
	Ed25519 KeyType = "ed25519"
)

// keyTypes lists every type, in the order in which they are shown.
var keyTypes = []KeyType{EC256, EC384, EC521, RSA2048, RSA3072, RSA4096, Ed25519}

// errInvalidKeyType is returned for a type of key that Dockit does not make.
var errInvalidKeyType = errors.New("invalid type of key")

// ParseKeyType reads a type of key such as ec256 or rsa3072.
func ParseKeyType(s string) (KeyType, error) {
	for _, t := range keyTypes {
		if s == string(t) {
			return t, nil
		}
	}
	return "", fmt.Errorf("%w %q: use one of %s", errInvalidKeyType, printable.Clip(s), joinKeyTypes())
}

// KeyTypeOf puts a type of key together from an algorithm, which is ec, rsa or
// ed25519, and the size that belongs to it. A size of zero is the smallest:
// 256 for ec, 2048 for rsa.
func KeyTypeOf(algorithm string, ecSize, rsaSize int) (KeyType, error) {
	switch algorithm {
	case "ec":
		if ecSize == 0 {
			ecSize = 256
		}
		t := KeyType(fmt.Sprintf("ec%d", ecSize))
		if t != EC256 && t != EC384 && t != EC521 {
			return "", fmt.Errorf("%w: EC with %d bits: use 256, 384 or 521", errInvalidKeyType, ecSize)
		}
		return t, nil
	case "rsa":
		if rsaSize == 0 {
			rsaSize = minRSABits
		}
		t := KeyType(fmt.Sprintf("rsa%d", rsaSize))
		if t != RSA2048 && t != RSA3072 && t != RSA4096 {
			return "", fmt.Errorf("%w: RSA with %d bits: use 2048, 3072 or 4096", errInvalidKeyType, rsaSize)
		}
		return t, nil
	case "ed25519":
		return Ed25519, nil
	default:
		return "", fmt.Errorf("%w %q: use ec, rsa or ed25519", errInvalidKeyType, printable.Clip(algorithm))
	}
}

// GenerateKey makes a private key. An elliptic curve key whose coordinates
// begin with a zero byte is thrown away, see [SigningKey.KidOnly].
func (t KeyType) GenerateKey() (crypto.Signer, error) {
	switch t {
	case EC256:
		return generateEC(elliptic.P256())
	case EC384:
		return generateEC(elliptic.P384())
	case EC521:
		return generateEC(elliptic.P521())
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	default:
		return nil, fmt.Errorf("%w %q: use one of %s", errInvalidKeyType, printable.Clip(string(t)), joinKeyTypes())
	}
}

func generateEC(curve elliptic.Curve) (crypto.Signer, error) {
	for {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return nil, err
		}
		if hasFullCoordinates(key.Public()) {
			return key, nil
		}
	}
}

// matches reports whether a public key is of this type.
func (t KeyType) matches(public crypto.PublicKey) bool {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return t == KeyType(fmt.Sprintf("ec%d", key.Params().BitSize))
	case *rsa.PublicKey:
		return t == KeyType(fmt.Sprintf("rsa%d", key.N.BitLen()))
	case ed25519.PublicKey:
		return t == Ed25519
	default:
		return false
	}
}

func joinKeyTypes() string {
	names := make([]string, len(keyTypes))
	for i, t := range keyTypes {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}
