package passwords

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/store"
)

func TestDigestsTellApart(t *testing.T) {
	p := newRememberedPasswords()
	login := store.Login{ID: 1, PasswordHash: "ab"}
	one := p.digestOf(login, "cd")
	assert.Equal(t, p.digestOf(login, "cd"), one, "the same digest differs")
	for name, other := range map[string]digest{
		"another subject":        p.digestOf(store.Login{ID: 2, PasswordHash: "ab"}, "cd"),
		"another hash":           p.digestOf(store.Login{ID: 1, PasswordHash: "xx"}, "cd"),
		"another password":       p.digestOf(login, "cx"),
		"parts shifted":          p.digestOf(store.Login{ID: 1, PasswordHash: "abc"}, "d"),
		"id shifted":             p.digestOf(store.Login{ID: 11, PasswordHash: "b"}, "cd"),
		"another process":        newRememberedPasswords().digestOf(login, "cd"),
		"something else with it": p.sum("attempt", "1", "ab", "cd"),
	} {
		assert.NotEqual(t, other, one, "%s: the same proof", name)
	}
}

func TestRememberedPasswordsAreBounded(t *testing.T) {
	p := newRememberedPasswords()
	for i := range maxRemembered + 100 {
		p.remember(p.digestOf(store.Login{ID: int64(i)}, "x"))
	}
	assert.Equal(t, maxRemembered, p.since.Len(), "proofs are remembered")
}

func BenchmarkDigest(b *testing.B) {
	p := newRememberedPasswords()
	login := store.Login{ID: 1, PasswordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b8SkDRdescudvJCsgt3ub+b8SkA"}
	for b.Loop() {
		p.digestOf(login, "correct horse battery")
	}
}
