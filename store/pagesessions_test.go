package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pageSession begins a session at the page.
func pageSession(t *testing.T, s *Store, id string, owner int64, hash string) {
	t.Helper()
	require.NoError(t, s.CreateRefreshToken(t.Context(), NewRefreshToken{
		Kind: PageLogin, ID: id, OwnerID: owner, PasswordHash: hash, Hash: []byte("hash of " + id),
		Client: "Firefox", Address: "192.0.2.1", ExpiresAt: s.now().Add(PageSessionLife),
	}))
}

func TestPageSessions(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		began := advance(0)
		alice, bob := person(t, s, "alice", "$a"), person(t, s, "bob", "$b")
		refreshToken(t, s, "docker", alice, "$a")
		pageSession(t, s, "page", alice, "$a")
		kinds := func() map[string]LoginKind {
			tokens, err := s.RefreshTokens(t.Context(), ref(t, "user:alice"))
			require.NoError(t, err)
			found := make(map[string]LoginKind, len(tokens))
			for _, token := range tokens {
				found[token.ID] = token.Kind
			}
			return found
		}
		assert.Equal(t, map[string]LoginKind{"docker": RefreshLogin, "page": PageLogin}, kinds())
		login, err := s.RefreshTokenLogin(t.Context(), "page")
		require.NoError(t, err)
		assert.Equal(t, PageLogin, login.Kind)
		assert.WithinDuration(t, began, login.ProvedAt, 0)

		later := advance(30 * time.Minute)
		require.ErrorIs(t, s.ProvePageSession(t.Context(), "page", alice, "$old"), ErrStale)
		require.ErrorIs(t, s.ProvePageSession(t.Context(), "page", bob, "$b"), ErrNotFound, "of somebody else")
		require.ErrorIs(t, s.ProvePageSession(t.Context(), "docker", alice, "$a"), ErrNotFound, "no session")
		before, err := s.Marks(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.ProvePageSession(t.Context(), "page", alice, "$a"))
		after, err := s.Marks(t.Context())
		require.NoError(t, err)
		assert.Greater(t, after.Revision, before.Revision, "other nodes have it in memory")
		login, err = s.RefreshTokenLogin(t.Context(), "page")
		require.NoError(t, err)
		assert.WithinDuration(t, later, login.ProvedAt, 0)
		assert.WithinDuration(t, began, login.LastUsedAt, 0)

		require.NoError(t, s.EndPageSession(t.Context(), "docker", alice))
		require.NoError(t, s.EndPageSession(t.Context(), "page", bob))
		assert.Len(t, kinds(), 2, "neither is a session of that user")
		advance(30 * time.Minute)
		assert.Equal(t, map[string]LoginKind{"docker": RefreshLogin}, kinds(), "one that was not used for an hour is over")
		require.NoError(t, s.EndPageSession(t.Context(), "page", alice))
		require.NoError(t, s.EndPageSession(t.Context(), "page", alice), "again")
		_, err = s.RefreshTokenLogin(t.Context(), "page")
		require.ErrorIs(t, err, ErrNotFound)
	})
}

// TestPageSessionsAndDockerLoginsAreBoundedApart guards that who signs in at the page often is not logged out of registries.
func TestPageSessionsAndDockerLoginsAreBoundedApart(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		alice := person(t, s, "alice", "$a")
		refreshToken(t, s, "docker", alice, "$a")
		for i := range MaxPageSessions + 1 {
			advance(time.Second)
			pageSession(t, s, fmt.Sprintf("page%02d", i), alice, "$a")
		}
		tokens, err := s.RefreshTokens(t.Context(), ref(t, "user:alice"))
		require.NoError(t, err)
		assert.Len(t, tokens, MaxPageSessions+1)
		_, err = s.RefreshTokenLogin(t.Context(), "docker")
		require.NoError(t, err)
		_, err = s.RefreshTokenLogin(t.Context(), "page00")
		require.ErrorIs(t, err, ErrNotFound)
	})
}
