package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/dockit-registry/dockit/pki"
)

var (
	// errNoCertificate is returned when a profile needs a certificate in the
	// token and the key comes without one.
	errNoCertificate = errors.New("signing key has no certificate")
	// errUnsupportedAlgorithm is returned for a key whose algorithm registries
	// do not take.
	errUnsupportedAlgorithm = errors.New("unsupported signature algorithm")
)

// methods holds the algorithms that tokens may be signed with. Registry 2.8
// does not take EdDSA.
var methods = map[string]jwt.SigningMethod{
	jwt.SigningMethodES256.Alg(): jwt.SigningMethodES256,
	jwt.SigningMethodES384.Alg(): jwt.SigningMethodES384,
	jwt.SigningMethodES512.Alg(): jwt.SigningMethodES512,
	jwt.SigningMethodRS256.Alg(): jwt.SigningMethodRS256,
	jwt.SigningMethodEdDSA.Alg(): jwt.SigningMethodEdDSA,
}

// signer signs tokens with one key. What the header of all of them is, it
// writes once.
type signer struct {
	key    *pki.SigningKey
	method jwt.SigningMethod
	// header is the first part of a token, with the dot behind it.
	header string
}

// newSigner prepares the headers of a profile.
func newSigner(key *pki.SigningKey, profile Profile) (*signer, error) {
	method, ok := methods[key.Algorithm]
	if !ok {
		return nil, fmt.Errorf("%w %q of key %s: use an EC, RSA or Ed25519 key", errUnsupportedAlgorithm, key.Algorithm, key.ID)
	}
	unsigned := jwt.New(method)
	unsigned.Header["kid"] = key.ID
	if profile.carriesCertificates() {
		if len(key.Chain) == 0 {
			return nil, fmt.Errorf("%w: profile %s needs one for key %s", errNoCertificate, profile, key.ID)
		}
		chain := make([]string, len(key.Chain))
		for i, certificate := range key.Chain {
			chain[i] = base64.StdEncoding.EncodeToString(certificate.Raw)
		}
		unsigned.Header["x5c"] = chain
	}
	header, err := json.Marshal(unsigned.Header)
	if err != nil {
		return nil, fmt.Errorf("write the header of tokens with key %s: %w", key.ID, err)
	}
	return &signer{key, method, unsigned.EncodeSegment(header) + "."}, nil
}

// longestSignature is that of an RSA key of 4096 bits.
const longestSignature = 512

// sign makes a token of a payload, whose room it uses for more.
func (s *signer) sign(payload *[]byte) (string, error) {
	encoding, length := base64.RawURLEncoding, len(*payload)
	var token strings.Builder
	token.Grow(len(s.header) + encoding.EncodedLen(length) + 1 + encoding.EncodedLen(s.signatureSize()))
	token.WriteString(s.header)
	*payload = encoding.AppendEncode(*payload, *payload)
	token.Write((*payload)[length:])
	// What is signed is the beginning of what is returned: there is one copy.
	signature, err := s.method.Sign(token.String(), s.key.Signer)
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", s.key.ID, err)
	}
	token.WriteByte('.')
	*payload = encoding.AppendEncode((*payload)[:0], signature)
	token.Write(*payload)
	return token.String(), nil
}

// signatureSize is how long a signature is, in bytes, or longer.
func (s *signer) signatureSize() int {
	if method, ok := s.method.(*jwt.SigningMethodECDSA); ok {
		return 2 * method.KeySize
	}
	return longestSignature
}
