// Package opaque makes and reads the random tokens that Dockit hands out as
// credentials: access tokens, which people and machines use as passwords,
// refresh tokens, which docker login may keep instead of one, and what a browser
// keeps that is signed in at the page.
//
// A token is written <kind>_<id>_<secret><checksum>:
//
//	dockit_k3v7q2mzx4ta_7h5wq…
//
// It is safe in a shell, a URL and HTTP Basic. The id finds the token in the
// database and is no secret. The secret has 160 random bits, and 256 or more at the
// page, so that a plain SHA-256 of the token is all that needs to be stored. The checksum lets a
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
	// Page is a session of a user at the page.
	Page Kind = "dockitpage"
)

// secretLengths are how long the secrets of the kinds are, five bits a character.
var secretLengths = map[Kind]int{Access: secretLength, Refresh: secretLength, Page: longSecretLength}

const (
	// alphabet is that of base32 in lower case: five bits each, and no digit
	// that is taken for a letter.
	alphabet = "abcdefghijklmnopqrstuvwxyz234567"

	idLength       = 12 // 60 bits
	secretLength   = 32 // 160 bits
	checksumLength = 7  // the 32 bits of a CRC-32

	longSecretLength = 52 // 260 bits
)

var (
	// errNoToken is returned for a text that is no token: a password, or a
	// token that was cut or mistyped.
	errNoToken = errors.New("not a token of Dockit")
	// errID is returned for a text that cannot be the id of a token.
	errID = errors.New("not the id of a token")
)

// Token is an access token, a refresh token or a session at the page. Printed, it shows its kind and
// its id only; see [Token.Reveal].
type Token struct {
	kind       Kind
	id, secret string
}

// New makes a random token.
func New(kind Kind) Token {
	return WithNewSecret(kind, random(idLength))
}

// WithNewSecret makes a token of the same kind and id with another secret.
func WithNewSecret(kind Kind, id string) Token {
	return Token{kind: kind, id: id, secret: random(secretLengths[kind])}
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
	length, known := secretLengths[token.kind]
	switch {
	case !found, !known, !isRandom(id, idLength), !isRandom(rest, length+checksumLength):
		return Token{}, errNoToken
	}
	token.secret = rest[:length]
	// Not secret, for it follows from what the caller has.
	if sum := token.checksum(); rest[length:] != string(sum[:]) {
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

// Reveal writes the whole token, for its owner alone.
func (t Token) Reveal() string {
	sum := t.checksum()
	var room written
	return string(t.write(&room)) + string(sum[:])
}

// String shows which token it is, and hides the secret.
func (t Token) String() string { return string(t.kind) + "_" + t.id + "_…" }

// GoString is [Token.String] for %#v.
func (t Token) GoString() string { return t.String() }

// Hash is what is stored of the token.
func (t Token) Hash() []byte {
	hash := t.sum()
	return hash[:]
}

func (t Token) sum() [sha256.Size]byte {
	var room written
	return sha256.Sum256(t.write(&room))
}

// Matches reports whether a stored hash is that of the token, in a time that
// does not depend on the answer.
func (t Token) Matches(hash []byte) bool {
	sum := t.sum()
	return subtle.ConstantTimeCompare(sum[:], hash) == 1
}

// written has room for a token without its checksum.
type written [len(Refresh) + 1 + idLength + 1 + longSecretLength]byte

// write writes the token without its checksum.
func (t Token) write(room *written) []byte {
	text := append(room[:0], t.kind...)
	text = append(text, '_')
	text = append(text, t.id...)
	text = append(text, '_')
	return append(text, t.secret...)
}

// checksum is the CRC-32 (IEEE) of everything before it, five bits a
// character, the highest first.
func (t Token) checksum() (text [checksumLength]byte) {
	var room written
	sum := crc32.ChecksumIEEE(t.write(&room))
	for i := checksumLength - 1; i >= 0; i-- {
		text[i] = alphabet[sum%uint32(len(alphabet))]
		sum /= uint32(len(alphabet))
	}
	return text
}
