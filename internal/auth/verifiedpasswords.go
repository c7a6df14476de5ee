package auth

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

// maxProofs bounds what is remembered: some 200 bytes each.
const maxProofs = 10_000

// verifiedPasswords remembers which passwords were right, for clients ask for a token at
// every pull. A password itself is not kept, nor anything by which it could be
// found without the random key of this process. What is remembered belongs to
// a subject and a stored hash, so it is forgotten when either changes. Wrong
// passwords are not remembered.
type verifiedPasswords struct {
	key   []byte
	since *lru.Cache[proof, time.Time]
}

// proof stands for a subject, its stored hash and a password.
type proof [sha256.Size]byte

func newProofs() *verifiedPasswords {
	since, err := lru.New[proof, time.Time](maxProofs)
	if err != nil {
		panic(err) // the size is positive
	}
	p := &verifiedPasswords{key: make([]byte, sha256.Size), since: since}
	_, _ = rand.Read(p.key) // it never fails
	return p
}

// of makes the proof that pw is the password of a login.
func (p *verifiedPasswords) of(login store.Login, pw string) proof {
	return p.sum("proof", strconv.FormatInt(login.ID, 10), login.PasswordHash, pw)
}

// sum is an HMAC over the parts, each behind its length.
func (p *verifiedPasswords) sum(parts ...string) (sum proof) {
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

// remember keeps a proof from now on.
func (p *verifiedPasswords) remember(one proof) { p.since.Add(one, time.Now()) }

// hold reports whether a proof was made less than maxAge ago. That it is asked
// for does not make it last longer.
func (p *verifiedPasswords) hold(one proof, maxAge time.Duration) bool {
	since, ok := p.since.Get(one)
	if !ok {
		return false
	}
	if time.Since(since) >= maxAge {
		p.since.Remove(one)
		return false
	}
	return true
}
