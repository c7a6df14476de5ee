package password

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Cost says how much work it is to check a hash. Hashes of the same Cost take
// the same time, whichever subject they belong to.
type Cost struct {
	// bcrypt is the cost of a bcrypt hash, zero for argon2id.
	bcrypt int

	memory, passes uint32
	lanes          uint8
	length         uint32
}

var current = Cost{memory: parameters.Memory, passes: parameters.Iterations, lanes: parameters.Parallelism, length: parameters.KeyLength}

// CostOf reads the cost of a hash, or returns [ErrHash].
func CostOf(hash string) (Cost, error) {
	if isBcrypt(hash) {
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil {
			return Cost{}, fmt.Errorf("%w: %w", ErrHash, err)
		}
		return Cost{bcrypt: cost}, nil
	}
	p, _, _, err := argon2id.DecodeHash(hash)
	if err != nil {
		return Cost{}, fmt.Errorf("%w: %w", ErrHash, err)
	}
	return Cost{memory: p.Memory, passes: p.Iterations, lanes: p.Parallelism, length: p.KeyLength}, nil
}

// Current reports whether it is the cost of the hashes that [Hash] makes. Any
// other hash is to be replaced when its password is known.
func (c Cost) Current() bool { return c == current }

// String describes the cost for a log.
func (c Cost) String() string {
	if c.bcrypt != 0 {
		return fmt.Sprintf("bcrypt %d", c.bcrypt)
	}
	return fmt.Sprintf("argon2id m=%d t=%d p=%d", c.memory, c.passes, c.lanes)
}

// Decoy makes a hash that costs as much to check as any other of that cost,
// and that no password matches. Making it costs nothing.
func (c Cost) Decoy() string {
	if c.bcrypt != 0 {
		// 22 characters of salt and 31 of the hash, in the alphabet of bcrypt.
		return fmt.Sprintf("$2b$%02d$%s", c.bcrypt, (rand.Text() + rand.Text() + rand.Text())[:53])
	}
	salt, key := make([]byte, parameters.SaltLength), make([]byte, c.length)
	_, _ = rand.Read(salt) // it never fails
	_, _ = rand.Read(key)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.passes, c.lanes, encode(salt), encode(key))
}

// CurrentCost is the cost of the hashes that [Hash] makes.
func CurrentCost() Cost { return current }
