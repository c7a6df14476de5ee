package main

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
)

// accessToken is one as Dockit's package opaque describes them. The package itself is in a module whose dependencies
// would change those of the registry that this module pins.
type accessToken struct {
	owner string
	id    string
	text  string
	hash  [sha256.Size]byte
}

const tokenAlphabet = "abcdefghijklmnopqrstuvwxyz234567"

func newAccessToken(owner string) accessToken {
	const idLength, secretLength = 12, 32
	t := accessToken{owner: owner, id: randomText(idLength)}
	unchecked := "dockit_" + t.id + "_" + randomText(secretLength)
	t.text, t.hash = unchecked+checksum(unchecked), sha256.Sum256([]byte(unchecked))
	return t
}

// String is what a client would be given: a username and a password.
func (t accessToken) String() string { return t.owner + ":" + t.text }

func randomText(length int) string {
	text := make([]byte, length)
	_, _ = rand.Read(text) // it never fails
	for i, b := range text {
		text[i] = tokenAlphabet[int(b)%len(tokenAlphabet)]
	}
	return string(text)
}

// checksum is a CRC-32, five bits a character, the highest first.
func checksum(text string) string {
	const length = 7
	sum := crc32.ChecksumIEEE([]byte(text))
	checked := make([]byte, length)
	for i := length - 1; i >= 0; i-- {
		checked[i] = tokenAlphabet[sum%uint32(len(tokenAlphabet))]
		sum /= uint32(len(tokenAlphabet))
	}
	return string(checked)
}
