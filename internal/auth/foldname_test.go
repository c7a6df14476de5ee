package auth

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/subject"
)

// TestCapitalsOfAName shows that Alice is alice, with every credential and in
// whatever is counted.
func TestCapitalsOfAName(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{RefreshTokens: true})
		refresh, access := f.login(), f.token(TokenRequest{Owner: f.Robot("ci"), Name: "a"})
		for _, tc := range []struct {
			username, credential string
			want                 subject.Ref
		}{
			{"Alice", secret, aliceRef},
			{"ALICE", secret, aliceRef},
			{"aLiCe", refresh, aliceRef},
			{"CI", access, subject.Ref{Kind: subject.Robot, Name: "ci"}},
		} {
			assert.Equal(t, tc.want, f.accepted(tc.username, tc.credential, home).Ref, tc.username)
		}
		n := f.Checks()
		assert.Equal(t, 1, n, "the password was checked %d times", n)
		f.refused("al\u0131ce", secret, home) // a letter that becomes an i only in some languages
		f.refused("\u212abob", secret, home)  // a sign that lower-cases to k
	})
}

// TestCapitalsDodgeNoLockout spells a name differently for every guess.
func TestCapitalsDodgeNoLockout(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for _, names := range [][]string{{"bob", "Bob", "bOb", "boB", "BOb"}, {"nobody", "Nobody", "nObody", "noBody", "NOBODY"}} {
			for i := range 10 {
				f.guessed(names[i%len(names)], home)
			}
			for _, name := range names {
				f.throttled(name, secret, home)
			}
		}
		// The same wrong password for the same name in another case is the same.
		f.refused("alice", "the old password", home)
		f.refused("Alice", "the old password", home)
		assert.Equal(t, 21, f.Failures(), "failures are counted")
	})
}
