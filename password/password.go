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
	"strings"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/bcrypt"
)

const (
	// MinLength is the shortest password for a person, in bytes.
	MinLength = 12
	// MaxLength is the longest password that is looked at, in bytes.
	MaxLength = 1024

	// bcryptBytes is how much of a password bcrypt looks at.
	bcryptBytes = 72
	// maxBcryptCost keeps an imported hash from taking minutes to check.
	maxBcryptCost = 14
	// maxArgonMemory, in KiB, keeps an imported hash from taking all memory.
	maxArgonMemory = 64 * 1024
	maxArgonPasses = 10
)

var (
	// ErrLength is returned for a password that is too short or too long.
	ErrLength = errors.New("password length")
	// ErrHash is returned for a hash that cannot be used here.
	ErrHash = errors.New("unusable password hash")
)

var parameters = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Check reports why pw cannot become a person's password, or nil.
func Check(pw string) error {
	switch {
	case len(pw) < MinLength:
		return fmt.Errorf("%w: at least %d bytes are needed, these are %d", ErrLength, MinLength, len(pw))
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
		if err != nil {
			return fmt.Errorf("%w: %w", ErrHash, err)
		}
		if cost > maxBcryptCost {
			return fmt.Errorf("%w: bcrypt cost %d, at most %d is allowed", ErrHash, cost, maxBcryptCost)
		}
		return nil
	}
	p, _, _, err := argon2id.DecodeHash(hash)
	if err != nil {
		return fmt.Errorf("%w: neither bcrypt nor argon2id: %w", ErrHash, err)
	}
	if p.Memory > maxArgonMemory || p.Iterations == 0 || p.Iterations > maxArgonPasses || p.Parallelism == 0 || p.KeyLength < 16 {
		return fmt.Errorf("%w: argon2id with m=%d, t=%d, p=%d is outside of what is allowed (m≤%d, t≤%d)",
			ErrHash, p.Memory, p.Iterations, p.Parallelism, maxArgonMemory, maxArgonPasses)
	}
	return nil
}

func isBcrypt(hash string) bool {
	return strings.HasPrefix(hash, "$2a$") || strings.HasPrefix(hash, "$2b$") || strings.HasPrefix(hash, "$2y$")
}

// Dummy makes a hash that no password matches in practice and that costs as
// much to check as any other: it answers for subjects that have none.
func Dummy() (string, error) { return Hash(rand.Text()) }

// Random makes a password for a person who did not choose one, with 130 random
// bits.
func Random() string { return rand.Text() }
