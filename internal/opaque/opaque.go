// Package opaque makes and reads the random tokens that Dockit hands out as
// credentials: access tokens, which people and machines use as passwords, and
// refresh tokens, which docker login may keep instead of one.
//
// A token is written <kind>_<id>_<secret><checksum>:
//
//	dockit_k3v7q2mzx4ta_7h5wq…
//
// It is safe in a shell, a URL and HTTP Basic. The id finds the token in the
// database and is no secret. The secret has 160 random bits, so that a plain
// SHA-256 of the token is all that needs to be stored. The checksum lets a
// scanner of source code, or Dockit itself, tell a token from a password and
// from a token that was cut or mistyped, without asking a database.
//
// The package is pure: it reads no clock, no file and no database.
package opaque

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// Kind is what a token is for. It is the word before the first underscore.
type Kind string

const (
	// Access is an access token of a user or a robot.
	Access Kind = "dockit"
	// Refresh is a refresh token of a user.
	Refresh Kind = "dockitrefresh"
)

const (
	// alphabet is that of base32 in lower case: five bits each, and no digit
	// that is taken for a letter.
	alphabet = "abcdefghijklmnopqrstuvwxyz234567"

	idLength       = 12 // 60 bits
	secretLength   = 32 // 160 bits
	checksumLength = 7  // the 32 bits of a CRC-32
)

var (
	// errNoToken is returned for a text that is no token: a password, or a
	// token that was cut or mistyped.
	errNoToken = errors.New("not a token of Dockit")
	// errID is returned for a text that cannot be the id of a token.
	errID = errors.New("not the id of a token")
)

// Token is an access token or a refresh token. Printed, it shows its kind and
// its id only; see [Token.Reveal].
type Token struct {
	kind       Kind
	id, secret string
}

// New makes a random token.
func New(kind Kind) Token {
	return Token{kind: kind, id: random(idLength), secret: random(secretLength)}
}

// WithNewSecret makes a token of the same kind and id with another secret.
func WithNewSecret(kind Kind, id string) Token {
	return Token{kind: kind, id: id, secret: random(secretLength)}
}

// random takes five bits from each of n random bytes.
func random(n int) string {
	text := make([]byte, n)
	_, _ = rand.Read(text) // it never fails
	for i, b := range text {
		text[i] = alphabet[b%byte(len(alphabet))]
	}
	return string(text)
}

// Parse reads a token, or returns [errNoToken].
func Parse(text string) (Token, error) {
	kind, rest, _ := strings.Cut(text, "_")
	id, rest, found := strings.Cut(rest, "_")
	token := Token{kind: Kind(kind), id: id}
	switch {
	case !found, token.kind != Access && token.kind != Refresh,
		!isRandom(id, idLength), !isRandom(rest, secretLength+checksumLength):
		return Token{}, errNoToken
	}
	token.secret = rest[:secretLength]
	// Not secret, for it follows from what the caller has.
	if rest[secretLength:] != token.checksum() {
		return Token{}, errNoToken
	}
	return token, nil
}

// ValidateID reports why a text cannot be the id of a token, or nil. A whole
// token is none, and the error does not repeat it.
func ValidateID(id string) error {
	if isRandom(id, idLength) {
		return nil
	}
	if _, err := Parse(id); err == nil {
		return fmt.Errorf("%w: it is the token itself: give the %d characters between its underscores", errID, idLength)
	}
	return fmt.Errorf("%w: an id has %d lower-case letters and digits", errID, idLength)
}

func isRandom(s string, length int) bool {
	return len(s) == length && strings.Trim(s, alphabet) == ""
}

// Kind is what the token is for.
func (t Token) Kind() Kind { return t.kind }

// ID names the token. It is no secret.
func (t Token) ID() string { return t.id }

// Reveal writes the whole token, for its owner and nobody else.
func (t Token) Reveal() string { return t.withoutChecksum() + t.checksum() }

// String shows which token it is, and hides the secret.
func (t Token) String() string { return string(t.kind) + "_" + t.id + "_…" }

// GoString is [Token.String] for %#v.
func (t Token) GoString() string { return t.String() }

// Hash is what is stored of the token.
func (t Token) Hash() []byte {
	hash := sha256.Sum256([]byte(t.withoutChecksum()))
	return hash[:]
}

// Matches reports whether a stored hash is that of the token, in a time that
// does not depend on the answer.
func (t Token) Matches(hash []byte) bool {
	return subtle.ConstantTimeCompare(t.Hash(), hash) == 1
}

func (t Token) withoutChecksum() string {
	return string(t.kind) + "_" + t.id + "_" + t.secret
}

// checksum is the CRC-32 (IEEE) of everything before it, five bits a
// character, the highest first.
func (t Token) checksum() string {
	sum := crc32.ChecksumIEEE([]byte(t.withoutChecksum()))
	text := make([]byte, checksumLength)
	for i := checksumLength - 1; i >= 0; i-- {
		text[i] = alphabet[sum%uint32(len(alphabet))]
		sum /= uint32(len(alphabet))
	}
	return string(text)
}
