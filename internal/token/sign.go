package token

import (
	"encoding/base64"
	"errors"
	"fmt"

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

// sign makes a token of the claims, with the headers of the profile.
func sign(key *pki.SigningKey, profile Profile, claims Claims) (string, error) {
	method, ok := methods[key.Algorithm]
	if !ok {
		return "", fmt.Errorf("%w %q of key %s: use an EC, RSA or Ed25519 key", errUnsupportedAlgorithm, key.Algorithm, key.ID)
	}
	if claims.Access == nil {
		claims.Access = []Access{}
	}
	unsigned := jwt.NewWithClaims(method, claims)
	unsigned.Header["kid"] = key.ID
	if profile.carriesCertificates() {
		if len(key.Chain) == 0 {
			return "", fmt.Errorf("%w: profile %s needs one for key %s", errNoCertificate, profile, key.ID)
		}
		chain := make([]string, len(key.Chain))
		for i, certificate := range key.Chain {
			chain[i] = base64.StdEncoding.EncodeToString(certificate.Raw)
		}
		unsigned.Header["x5c"] = chain
	}
	signed, err := unsigned.SignedString(key.Signer)
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", key.ID, err)
	}
	return signed, nil
}
