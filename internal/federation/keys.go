package federation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// MaxKeys is the largest JWK set that an issuer may publish, in bytes.
const MaxKeys = 1 << 20

// Keys are those that an issuer published, as they are kept.
type Keys struct {
	// JWKS is the JWK set, at most [MaxKeys] bytes.
	JWKS []byte
	// Source is the [Issuer.KeySource] that they are from. Keys of another
	// source are not used.
	Source string
	// FetchedAt is when they were fetched last.
	FetchedAt time.Time
}

// KeySource distinguishes all that an issuer may say of where its keys come from, in
// 64 characters: keys fetched for one are none of another.
func (i Issuer) KeySource() string {
	said, err := json.Marshal([]string{i.URL, i.JWKSURL, i.JWKS, i.JWKSHost, i.CA, i.BearerFile})
	if err != nil { // texts always become JSON
		panic(err)
	}
	sum := sha256.Sum256(said)
	return hex.EncodeToString(sum[:])
}
