package passwords

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/dockit-registry/dockit/store"
)

// maxRemembered bounds what is remembered: some 200 bytes each.
const maxRemembered = 10_000

// rememberedPasswords remembers which passwords were right, or wrong, for clients
// ask for a token at every pull. A password itself is not kept, nor anything by
// which it could be found without the random key of this process. What is
// remembered belongs to a subject and a stored hash, so it does not hold any more
// when either changes.
type rememberedPasswords struct {
	key   []byte
	since *lru.Cache[digest, time.Time]
}

// digest stands for a subject, its stored hash and a password, and for what else
// it is made of.
type digest [sha256.Size]byte

func newRememberedPasswords() *rememberedPasswords {
	since, err := lru.New[digest, time.Time](maxRemembered)
	if err != nil {
		panic(err) // the size is positive
	}
	p := &rememberedPasswords{key: make([]byte, sha256.Size), since: since}
	_, _ = rand.Read(p.key) // it never fails
	return p
}

// digestOf stands for pw as the password of a login.
func (p *rememberedPasswords) digestOf(login store.Login, pw string) digest {
	return p.sum("password", strconv.FormatInt(login.ID, 10), login.PasswordHash, pw)
}

// sum is an HMAC over the parts, each behind its length.
func (p *rememberedPasswords) sum(parts ...string) (sum digest) {
	mac := hmac.New(sha256.New, p.key)
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	mac.Sum(sum[:0])
	return sum
}

// remember keeps a digest from now on.
func (p *rememberedPasswords) remember(d digest) { p.since.Add(d, time.Now()) }

// holds reports whether a digest was remembered less than maxAge ago. That it is asked
// for does not make it last longer.
func (p *rememberedPasswords) holds(d digest, maxAge time.Duration) bool {
	since, ok := p.since.Get(d)
	if !ok {
		return false
	}
	if time.Since(since) >= maxAge {
		p.since.Remove(d)
		return false
	}
	return true
}
