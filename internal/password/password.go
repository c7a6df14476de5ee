// Package password hashes and checks the passwords of people.
//
// New hashes are argon2id with the parameters that OWASP recommends (19 MiB,
// two passes, one lane). bcrypt hashes brought from elsewhere are accepted as
// they are.
package password

import (
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/bcrypt"

	"github.com/dockit-registry/dockit/internal/opaque"
)

const (
	// minLength is the shortest password for a person, in characters.
	minLength = 12
	// MaxLength is the longest password that is looked at, in bytes.
	MaxLength = 1024

	// bcryptBytes is how much of a password bcrypt looks at.
	bcryptBytes = 72
	// maxBcryptCost keeps an imported hash from taking minutes to check.
	maxBcryptCost = 14
	// maxArgonMemory, in KiB, keeps an imported hash from taking all memory.
	maxArgonMemory = 64 * 1024
	maxArgonPasses = 10
	maxArgonLanes  = 16
)

var (
	// ErrLength is returned for a password that is too short or too long.
	ErrLength = errors.New("password length")
	// ErrSpace is returned for a password with white space before or after it.
	ErrSpace = errors.New("password with outer white space")
	// ErrHash is returned for a hash that cannot be used here.
	ErrHash = errors.New("unusable password hash")
)

var parameters = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Check reports why pw cannot become a person's password, or nil. Errors:
// [ErrLength]; [ErrSpace], because docker login --password-stdin and others take
// white space around a password away; and [ErrRefused] for one in the form of a
// token, which would be looked for as a token at every login.
func Check(pw string) error {
	if _, err := opaque.Parse(pw); err == nil {
		return fmt.Errorf("%w: it is an access token or a refresh token: choose another", ErrRefused)
	}
	switch {
	case strings.TrimSpace(pw) != pw:
		return fmt.Errorf("%w: it begins or ends with a space, a tab or a line break, which docker login --password-stdin and others take away, so that it would be wrong there: leave that out", ErrSpace)
	case utf8.RuneCountInString(pw) < minLength:
		return fmt.Errorf("%w: at least %d characters are needed, these are %d", ErrLength, minLength, utf8.RuneCountInString(pw))
	case len(pw) > MaxLength:
		return fmt.Errorf("%w: at most %d bytes are allowed, these are %d", ErrLength, MaxLength, len(pw))
	}
	return nil
}

// Hash makes an argon2id hash in the PHC string format. It does not [Check].
func Hash(pw string) (string, error) {
	hash, err := argon2id.CreateHash(pw, parameters)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// Verify reports whether pw is the password of the hash. The whole password
// counts: one of more than 72 bytes never matches a bcrypt hash, which would
// ignore the rest of it. An unusable hash is an [ErrHash].
func Verify(hash, pw string) (bool, error) {
	if len(pw) > MaxLength {
		return false, nil
	}
	if !isBcrypt(hash) {
		ok, err := argon2id.ComparePasswordAndHash(pw, hash)
		if err != nil {
			return false, fmt.Errorf("%w: %w", ErrHash, err)
		}
		return ok, nil
	}
	err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(pw[:min(len(pw), bcryptBytes)]))
	switch {
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrHash, err)
	}
	return len(pw) <= bcryptBytes, nil
}

// ValidHash reports why a hash brought from elsewhere cannot be used, or nil.
func ValidHash(hash string) error {
	if isBcrypt(hash) {
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil || !bcryptGrammar.MatchString(hash) {
			return fmt.Errorf("%w: not a whole bcrypt hash", ErrHash)
		}
		if cost > maxBcryptCost {
			return fmt.Errorf("%w: bcrypt cost %d, at most %d is allowed", ErrHash, cost, maxBcryptCost)
		}
		return nil
	}
	p, salt, _, err := argon2id.DecodeHash(hash)
	if err != nil {
		return fmt.Errorf("%w: neither a whole bcrypt nor a whole argon2id hash", ErrHash)
	}
	switch {
	case p.Parallelism == 0, p.Parallelism > maxArgonLanes, p.Iterations == 0, p.Iterations > maxArgonPasses,
		p.Memory > maxArgonMemory, p.Memory < 8*uint32(p.Parallelism):
		return fmt.Errorf("%w: argon2id with m=%d, t=%d, p=%d is outside of what is allowed (8·p≤m≤%d, t≤%d, p≤%d)",
			ErrHash, p.Memory, p.Iterations, p.Parallelism, maxArgonMemory, maxArgonPasses, maxArgonLanes)
	case len(salt) < 8, p.KeyLength < 16:
		return fmt.Errorf("%w: argon2id with a salt of %d and a key of %d bytes: at least 8 and 16 are needed", ErrHash, len(salt), p.KeyLength)
	}
	return nil
}

var bcryptGrammar = regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

func isBcrypt(hash string) bool {
	return len(hash) > 4 && hash[0] == '$' && hash[1] == '2' && (hash[2] == 'a' || hash[2] == 'b' || hash[2] == 'y') && hash[3] == '$'
}

// Random makes a password for a person who did not choose one, with 130 random
// bits.
func Random() string { return rand.Text() }
