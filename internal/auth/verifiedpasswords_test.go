package auth

import (
	"testing"

	"github.com/dockit-registry/dockit/store"
)

func TestProofsTellApart(t *testing.T) {
	p := newProofs()
	login := store.Login{ID: 1, PasswordHash: "ab"}
	one := p.of(login, "cd")
	if one != p.of(login, "cd") {
		t.Error("the same proof differs")
	}
	for name, other := range map[string]proof{
		"another subject":        p.of(store.Login{ID: 2, PasswordHash: "ab"}, "cd"),
		"another hash":           p.of(store.Login{ID: 1, PasswordHash: "xx"}, "cd"),
		"another password":       p.of(login, "cx"),
		"parts shifted":          p.of(store.Login{ID: 1, PasswordHash: "abc"}, "d"),
		"id shifted":             p.of(store.Login{ID: 11, PasswordHash: "b"}, "cd"),
		"another process":        newProofs().of(login, "cd"),
		"something else with it": p.sum("attempt", "1", "ab", "cd"),
	} {
		if other == one {
			t.Errorf("%s: the same proof", name)
		}
	}
}

func TestProofsAreBounded(t *testing.T) {
	p := newProofs()
	for i := range maxProofs + 100 {
		p.remember(p.of(store.Login{ID: int64(i)}, "x"))
	}
	if n := p.since.Len(); n != maxProofs {
		t.Errorf("%d proofs are remembered", n)
	}
}

func BenchmarkProof(b *testing.B) {
	p := newProofs()
	login := store.Login{ID: 1, PasswordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b8SkDRdescudvJCsgt3ub+b8SkA"}
	for b.Loop() {
		p.of(login, "correct horse battery")
	}
}
