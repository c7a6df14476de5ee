package token

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/pki"
)

// TestSharedTokens guards that only who asks for the very same gets the very same token, and that for a second only.
func TestSharedTokens(t *testing.T) {
	first, _ := newKey(t, pki.EC256)
	second, _ := newKey(t, pki.EC256)
	now := time.Date(2026, 11, 27, 13, 0, 0, 0, time.UTC)
	pull := []access.Scope{{Type: access.Repository, Name: "team/app", Actions: access.Pull}}
	push := []access.Scope{{Type: access.Repository, Name: "team/app", Actions: access.Pull | access.Push}}
	of := func(share bool) func(key *pki.SigningKey, subject string, granted []access.Scope, at time.Time) string {
		issuer := NewIssuer(Config{Issuer: "dockit", Service: "registry", Profile: ProfileX5C, TTL: 5 * time.Minute, Share: share})
		return func(key *pki.SigningKey, subject string, granted []access.Scope, at time.Time) string {
			t.Helper()
			issued, err := issuer.Issue(key, Request{Subject: subject, Access: granted, Now: at})
			require.NoError(t, err)
			var expires, valid int64
			for name, into := range map[string]*int64{"exp": &expires, "iat": &valid} {
				_, err := fmt.Sscan(string(segment(t, issued.Token, 1)[name]), into)
				require.NoError(t, err, name)
			}
			told := at.Truncate(time.Second)
			assert.WithinDuration(t, told, issued.IssuedAt, 0, "issued at %s", at)
			assert.Equal(t, told.Unix()+300, expires, "issued at %s", at)
			assert.Equal(t, told.Unix()-10, valid, "issued at %s", at)
			return issued.Token
		}
	}
	shared, own := of(true), of(false)
	token := shared(first, "alice", pull, now)
	assert.Equal(t, token, shared(first, "alice", pull, now.Add(999*time.Millisecond)), "the same was signed twice within a second")
	for name, other := range map[string]string{
		"another subject":       shared(first, "bob", pull, now),
		"nobody":                shared(first, "", pull, now),
		"other rights":          shared(first, "alice", push, now),
		"no rights":             shared(first, "alice", nil, now),
		"another key":           shared(second, "alice", pull, now),
		"a second later":        shared(second, "alice", pull, now.Add(time.Second)),
		"the former key":        shared(first, "alice", pull, now.Add(time.Second)),
		"not shared":            own(first, "alice", pull, now),
		"not shared, once more": own(first, "alice", pull, now),
	} {
		assert.NotEqual(t, token, other, "%s got the token of another request", name)
	}
	one, other := own(first, "alice", pull, now), own(first, "alice", pull, now)
	assert.NotEqual(t, one, other, "tokens are shared that should not be")
}

func TestSharedTokensAreBounded(t *testing.T) {
	key, _ := newKey(t, pki.Ed25519)
	issuer := NewIssuer(Config{Service: "registry", Profile: ProfileX5C, Share: true})
	now := time.Now()
	var large []access.Scope
	for i := range access.MaxScopes {
		large = append(large, access.Scope{Type: access.Repository, Name: fmt.Sprintf("%0200d", i), Actions: access.Pull})
	}
	const many = 200 // of 40 KB each
	for i := range many {
		_, err := issuer.Issue(key, Request{Subject: fmt.Sprint("robot", i), Access: large, Now: now})
		require.NoError(t, err)
	}
	size := 0
	for payload, token := range issuer.shared.tokens {
		size += len(payload) + len(token)
	}
	assert.LessOrEqual(t, size, mostShared, "bytes are kept")
	assert.GreaterOrEqual(t, size, mostShared/2, "bytes are kept")
	_, err := issuer.Issue(key, Request{Subject: "robot", Now: now.Add(time.Second)})
	require.NoError(t, err)
	assert.Len(t, issuer.shared.tokens, 1, "tokens are kept of a second ago, want that of this one")
}
