package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/subject"
)

// person makes a user with a password and returns its id.
func person(t *testing.T, s *Store, name, hash string) int64 {
	t.Helper()
	created, err := s.CreateSubject(t.Context(), NewSubject{Ref: subject.Ref{Kind: subject.User, Name: name}, PasswordHash: hash})
	require.NoError(t, err)
	return created.ID
}

func refreshToken(t *testing.T, s *Store, id string, owner int64, hash string) {
	t.Helper()
	err := s.CreateRefreshToken(t.Context(), NewRefreshToken{
		ID: id, OwnerID: owner, PasswordHash: hash, Service: "registry.example.com", Hash: []byte("hash of " + id),
		Client: "docker", Address: "192.0.2.1", ExpiresAt: s.now().Add(90 * 24 * time.Hour),
	})
	require.NoError(t, err)
}

func TestRefreshTokens(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		now := advance(0)
		alice, bob := person(t, s, "alice", "$a"), person(t, s, "bob", "$b")
		refreshToken(t, s, "a1", alice, "$a")
		advance(time.Minute)
		refreshToken(t, s, "a2", alice, "$a")
		refreshToken(t, s, "b1", bob, "$b")

		login, err := s.RefreshTokenLogin(t.Context(), "a1")
		require.NoError(t, err, "login")
		require.Equal(t, alice, login.ID, "login %+v", login)
		require.Equal(t, "registry.example.com", login.Service, "login %+v", login)
		require.Equal(t, "hash of a1", string(login.Hash), "login %+v", login)
		require.WithinDuration(t, now, login.LastUsedAt, 0, "login %+v", login)
		require.WithinDuration(t, now.Add(90*24*time.Hour), login.ExpiresAt, 0, "login %+v", login)
		tokens, err := s.RefreshTokens(t.Context(), ref(t, "user:alice"))
		require.NoError(t, err)
		require.Len(t, tokens, 2)
		require.Equal(t, "a2", tokens[0].ID)
		require.Equal(t, "a1", tokens[1].ID)
		got := tokens[0]
		assert.Equal(t, "docker", got.Client)
		assert.Equal(t, "192.0.2.1", got.Address)
		assert.Equal(t, ref(t, "user:alice"), got.Owner)
		assert.Equal(t, Use{now.Add(time.Minute), "192.0.2.1", "docker"}, got.LastUse)
		revoked, _, err := s.RevokeRefreshToken(t.Context(), "a1", false)
		require.NoError(t, err, "revoked")
		assert.Equal(t, ref(t, "user:alice"), revoked.Owner, "revoked %+v", revoked)
		_, _, err = s.RevokeRefreshToken(t.Context(), "a1", false)
		require.ErrorIs(t, err, ErrNotFound, "revoked again")
		n, _, err := s.RevokeRefreshTokens(t.Context(), ref(t, "user:alice"))
		require.NoError(t, err)
		assert.EqualValues(t, 1, n)
		_, err = s.RefreshTokenLogin(t.Context(), "a2")
		require.ErrorIs(t, err, ErrNotFound, "login after revocation")
		_, err = s.RefreshToken(t.Context(), "b1")
		assert.NoError(t, err, "bob's")
	})
}

func TestRefreshTokensEndWithTheirSubject(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		yes, no, hash := true, false, "$new"
		for _, tc := range []struct {
			name   string
			change func(t *testing.T, s *Store, alice int64) error
			ends   bool
		}{
			{"removed", func(t *testing.T, s *Store, _ int64) error {
				return s.DeleteSubject(t.Context(), ref(t, "user:alice"), 0)
			}, true},
			{"disabled", func(t *testing.T, s *Store, _ int64) error {
				_, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), SubjectChange{Disabled: &yes}, 0)
				return err
			}, true},
			{"disabled and enabled again", func(t *testing.T, s *Store, _ int64) error {
				if _, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), SubjectChange{Disabled: &yes}, 0); err != nil {
					return err
				}
				_, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), SubjectChange{Disabled: &no}, 0)
				return err
			}, true},
			{"another password", func(t *testing.T, s *Store, _ int64) error {
				_, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), SubjectChange{PasswordHash: &hash}, 0)
				return err
			}, true},
			{"made an admin", func(t *testing.T, s *Store, _ int64) error {
				_, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), SubjectChange{Admin: &yes}, 0)
				return err
			}, false},
			{"another hash of the same password", func(t *testing.T, s *Store, alice int64) error {
				_, err := s.ReplacePasswordHash(t.Context(), alice, "$a", hash)
				return err
			}, false},
		} {
			t.Run(tc.name, func(t *testing.T) {
				s := db.open(t)
				alice := person(t, s, "alice", "$a")
				refreshToken(t, s, "a", alice, "$a")
				refreshToken(t, s, "b", person(t, s, "bob", "$b"), "$b")
				require.NoError(t, tc.change(t, s, alice))
				_, err := s.RefreshTokenLogin(t.Context(), "a")
				assert.Equal(t, tc.ends, errors.Is(err, ErrNotFound), "login = %v, want it to end", err)
				_, err = s.RefreshTokenLogin(t.Context(), "b")
				assert.NoError(t, err, "bob's")
			})
		}
	})
}

func TestNoRefreshTokenForAnOldPassword(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		yes, hash := true, "$new"
		alice := person(t, s, "alice", "$a")
		create(t, s, "user:bob")
		change := func(c SubjectChange) {
			t.Helper()
			_, err := s.UpdateSubject(t.Context(), ref(t, "user:alice"), c, 0)
			require.NoError(t, err)
		}
		refused := func(name string, owner int64, hash string) {
			t.Helper()
			err := s.CreateRefreshToken(t.Context(), NewRefreshToken{ID: name, OwnerID: owner, PasswordHash: hash, Hash: []byte("x")})
			assert.ErrorIs(t, err, ErrStale, name)
		}
		refused("nobody", 4711, "$a")
		change(SubjectChange{PasswordHash: &hash})
		refused("changed in the meantime", alice, "$a")
		change(SubjectChange{Disabled: &yes})
		refused("disabled in the meantime", alice, "$new")
	})
}

func TestRefreshTokensAreBounded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		alice := person(t, s, "alice", "$a")
		for i := range maxRefreshTokens + 5 {
			refreshToken(t, s, fmt.Sprint("t", i), alice, "$a")
			advance(time.Second)
		}
		tokens, err := s.RefreshTokens(t.Context(), ref(t, "user:alice"))
		require.NoError(t, err)
		require.Len(t, tokens, maxRefreshTokens)
		_, err = s.RefreshTokenLogin(t.Context(), "t4")
		require.ErrorIs(t, err, ErrNotFound, "the fifth")
		_, err = s.RefreshTokenLogin(t.Context(), "t5")
		require.NoError(t, err, "the sixth")
		// What expired is taken away by the next login of anybody.
		advance(91 * 24 * time.Hour)
		refreshToken(t, s, "late", person(t, s, "bob", "$b"), "$b")
		_, err = s.RefreshToken(t.Context(), "t50")
		assert.ErrorIs(t, err, ErrNotFound, "an expired one")
	})
}
