package store

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
)

// at sets the clock of the store and returns a function that moves it.
func at(s *Store) (advance func(time.Duration) time.Time) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s.now = func() time.Time { return now }
	return func(d time.Duration) time.Time {
		now = now.Add(d)
		return now
	}
}

func accessToken(t *testing.T, s *Store, owner, id, name string, expiresAt time.Time) AccessToken {
	t.Helper()
	token, err := s.CreateAccessToken(t.Context(), NewAccessToken{ID: id, Owner: ref(t, owner), Name: name, Hash: []byte("hash of " + id), ExpiresAt: expiresAt})
	require.NoError(t, err)
	return token
}

func TestCreateAccessToken(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		now := at(s)(0)
		create(t, s, "user:alice", "robot:ci", "group:dev")
		wanted := NewAccessToken{
			ID: "one", Owner: ref(t, "robot:ci"), Name: "deploy", Hash: []byte("hash"),
			Scopes:    []access.Permission{permission(t, "repository:team/*:pull"), permission(t, "registry:catalog:*")},
			Networks:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
			ExpiresAt: now.Add(time.Hour),
		}
		before := revision(t, s)
		created, err := s.CreateAccessToken(t.Context(), wanted)
		require.NoError(t, err)
		want := AccessToken{
			ID: "one", Owner: wanted.Owner, Name: "deploy", Scopes: wanted.Scopes, Networks: wanted.Networks,
			CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		}
		assert.Equal(t, want, created)
		assert.Equal(t, before, revision(t, s), "a token changed the rights of everybody")
		for _, tc := range []struct {
			name string
			new  NewAccessToken
			err  error
		}{
			{"same name", NewAccessToken{ID: "two", Owner: wanted.Owner, Name: "deploy"}, ErrExists},
			{"same id", NewAccessToken{ID: "one", Owner: wanted.Owner, Name: "another"}, ErrExists},
			{"same name, another owner", NewAccessToken{ID: "two", Owner: ref(t, "user:alice"), Name: "deploy"}, nil},
			{"no owner", NewAccessToken{ID: "three", Owner: ref(t, "user:bob"), Name: "deploy"}, ErrNotFound},
			{"owner of another kind", NewAccessToken{ID: "three", Owner: ref(t, "user:ci"), Name: "x"}, ErrNotFound},
			{"group", NewAccessToken{ID: "three", Owner: ref(t, "group:dev"), Name: "deploy"}, ErrKind},
			{"anonymous", NewAccessToken{ID: "three", Owner: ref(t, "user:anonymous"), Name: "deploy"}, ErrBuiltIn},
			{"second of two", NewAccessToken{ID: "four", Owner: wanted.Owner, Name: "second", MaxLive: 2}, nil},
			{"third of two", NewAccessToken{ID: "five", Owner: wanted.Owner, Name: "third", MaxLive: 2}, ErrTooMany},
		} {
			t.Run(tc.name, func(t *testing.T) {
				tc.new.Hash = []byte("hash")
				_, err := s.CreateAccessToken(t.Context(), tc.new)
				require.ErrorIs(t, err, tc.err, "CreateAccessToken")
			})
		}
	})
}

func TestExpiredAccessTokensMakeRoom(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		create(t, s, "robot:ci")
		accessToken(t, s, "robot:ci", "a", "short", advance(0).Add(time.Hour))
		accessToken(t, s, "robot:ci", "b", "long", time.Time{})
		next := NewAccessToken{ID: "c", Owner: ref(t, "robot:ci"), Name: "short", Hash: []byte("hash"), MaxLive: 2}
		_, err := s.CreateAccessToken(t.Context(), next)
		require.ErrorIs(t, err, ErrTooMany, "a third live token")
		advance(time.Hour)
		_, err = s.CreateAccessToken(t.Context(), next)
		require.NoError(t, err, "in place of an expired one")
		tokens, err := s.AccessTokens(t.Context(), ref(t, "robot:ci"), Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, tokens, 2)
		require.Equal(t, "b", tokens[0].ID)
		require.Equal(t, "c", tokens[1].ID)
	})
}

func TestAccessTokensPages(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "robot:ci", "robot:cd")
		for _, name := range []string{"deploy", "build-1", "build-2", "test"} {
			accessToken(t, s, "robot:ci", name, name, time.Time{})
		}
		accessToken(t, s, "robot:cd", "x", "build-3", time.Time{})
		for _, tc := range []struct {
			name string
			page Page
			want []string
		}{
			{"first page", Page{Limit: 2}, []string{"build-1", "build-2"}},
			{"second page", Page{Limit: 2, After: "build-2"}, []string{"deploy", "test"}},
			{"prefix", Page{Limit: 10, Prefix: "build-"}, []string{"build-1", "build-2"}},
		} {
			t.Run(tc.name, func(t *testing.T) {
				tokens, err := s.AccessTokens(t.Context(), ref(t, "robot:ci"), tc.page)
				require.NoError(t, err)
				var names []string
				for _, token := range tokens {
					names = append(names, token.Name)
				}
				require.Equal(t, tc.want, names, "listed")
			})
		}
		_, err := s.AccessTokens(t.Context(), ref(t, "robot:nobody"), Page{Limit: 1})
		assert.ErrorIs(t, err, ErrNotFound, "of nobody")
	})
}

func TestRotateAccessToken(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		advance := at(s)
		create(t, s, "robot:ci")
		expires := advance(0).Add(24 * time.Hour)
		accessToken(t, s, "robot:ci", "a", "deploy", expires)
		now := advance(time.Hour)
		rotated, err := s.RotateAccessToken(t.Context(), "a", Rotation{Hash: []byte("second"), PreviousUntil: now.Add(time.Minute)})
		require.NoError(t, err, "rotated")
		require.WithinDuration(t, now, rotated.RotatedAt, 0, "rotated %+v", rotated)
		require.WithinDuration(t, expires, rotated.ExpiresAt, 0, "rotated %+v", rotated)
		require.WithinDuration(t, now.Add(time.Minute), rotated.PreviousUntil, 0, "rotated %+v", rotated)
		login, err := s.AccessTokenLogin(t.Context(), "a")
		require.NoError(t, err, "login")
		require.Equal(t, []byte("second"), login.Hash, "login %+v", login)
		require.Equal(t, []byte("hash of a"), login.PreviousHash, "login %+v", login)
		later := now.Add(48 * time.Hour)
		rotated, err = s.RotateAccessToken(t.Context(), "a", Rotation{Hash: []byte("third"), ExpiresAt: &later})
		require.NoError(t, err, "rotated again")
		require.WithinDuration(t, later, rotated.ExpiresAt, 0, "rotated again %+v", rotated)
		require.Zero(t, rotated.PreviousUntil, "rotated again %+v", rotated)
		_, err = s.RotateAccessToken(t.Context(), "b", Rotation{Hash: []byte("x")})
		assert.ErrorIs(t, err, ErrNotFound, "rotate what is not there")
	})
}

func TestRevokeAccessToken(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "robot:ci", "robot:cd")
		accessToken(t, s, "robot:ci", "a", "deploy", time.Time{})
		accessToken(t, s, "robot:cd", "b", "deploy", time.Time{})
		revoked, _, err := s.RevokeAccessToken(t.Context(), "a", false)
		require.NoError(t, err, "revoked")
		require.Equal(t, "deploy", revoked.Name, "revoked %+v", revoked)
		require.Equal(t, ref(t, "robot:ci"), revoked.Owner, "revoked %+v", revoked)
		require.NoError(t, s.DeleteSubject(t.Context(), ref(t, "robot:cd"), 0))
		for _, id := range []string{"a", "b"} {
			_, err := s.AccessTokenLogin(t.Context(), id)
			require.ErrorIs(t, err, ErrNotFound, "login with %s", id)
			_, err = s.AccessToken(t.Context(), id)
			require.ErrorIs(t, err, ErrNotFound, "show %s", id)
			_, _, err = s.RevokeAccessToken(t.Context(), id, false)
			assert.ErrorIs(t, err, ErrNotFound, "revoke %s", id)
		}
	})
}

func TestAccessTokenLogin(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		yes := true
		_, err := s.CreateSubject(t.Context(), NewSubject{Ref: ref(t, "user:root"), Admin: true, PasswordHash: "$argon2id$"})
		require.NoError(t, err)
		create(t, s, "robot:ci")
		accessToken(t, s, "user:root", "a", "laptop", time.Time{})
		accessToken(t, s, "robot:ci", "b", "deploy", time.Time{})
		_, err = s.UpdateSubject(t.Context(), ref(t, "robot:ci"), SubjectChange{Disabled: &yes}, 0)
		require.NoError(t, err)
		root, err := s.AccessTokenLogin(t.Context(), "a")
		require.NoError(t, err, "root")
		assert.Equal(t, ref(t, "user:root"), root.Ref, "root: %+v", root)
		assert.True(t, root.Admin, "root: %+v", root)
		assert.False(t, root.Disabled, "root: %+v", root)
		assert.Empty(t, root.PasswordHash, "root: %+v", root)
		ci, err := s.AccessTokenLogin(t.Context(), "b")
		require.NoError(t, err, "ci")
		assert.True(t, ci.Disabled, "ci: %+v", ci)
		assert.False(t, ci.Admin, "ci: %+v", ci)
		// A limit that cannot be read must not become no limit.
		_, err = s.writer.ExecContext(t.Context(), "UPDATE access_tokens SET networks = '10.0.0.0'")
		require.NoError(t, err)
		login, err := s.AccessTokenLogin(t.Context(), "a")
		assert.Error(t, err, "an unreadable limit: %+v", login)
	})
}

func TestTokensInTheAudit(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		at(s)
		create(t, s, "robot:ci")
		alice := person(t, s, "alice", "$a")
		before := len(auditOf(t, s))
		accessToken(t, s, "robot:ci", "a", "deploy", time.Time{})
		_, err := s.RotateAccessToken(t.Context(), "a", Rotation{Hash: []byte("hash of the next")})
		require.NoError(t, err)
		_, _, err = s.RevokeAccessToken(t.Context(), "a", false)
		require.NoError(t, err)
		refreshToken(t, s, "r1", alice, "$a")
		refreshToken(t, s, "r2", alice, "$a")
		refreshToken(t, s, "r3", alice, "$a")
		_, _, err = s.RevokeRefreshToken(t.Context(), "r1", false)
		require.NoError(t, err)
		for range 2 { // the second time there is nothing to revoke
			_, _, err := s.RevokeRefreshTokens(t.Context(), ref(t, "user:alice"))
			require.NoError(t, err)
		}
		var got []string
		for _, e := range auditOf(t, s)[before:] {
			assert.NotContains(t, string(e.Before)+string(e.After), "hash", "a hash in the audit: %+v", e)
			got = append(got, strings.Join([]string{string(e.Action), string(e.Subject), string(e.Before), string(e.After)}, " "))
		}
		want := []string{
			`create-token robot:ci  {"access_token":"a","name":"deploy"}`,
			`rotate-token robot:ci  {"access_token":"a","name":"deploy"}`,
			`revoke-token robot:ci {"access_token":"a","name":"deploy"} `,
			`revoke-token user:alice {"refresh_token":"r1","service":"registry.example.com"} `,
			`revoke-token user:alice {"refresh_tokens":2} `,
		}
		assert.Equal(t, want, got)
	})
}

func TestUnusedTokensOfEverybody(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		s := db.open(t)
		create(t, s, "user:alice", "robot:ci")
		for id, owner := range map[string]string{"aaaaaaaaaaaa": "user:alice", "bbbbbbbbbbbb": "robot:ci", "cccccccccccc": "robot:ci"} {
			_, err := s.CreateAccessToken(t.Context(), NewAccessToken{ID: id, Owner: ref(t, owner), Name: id, Hash: []byte(id)})
			require.NoError(t, err)
		}
		require.NoError(t, s.RecordUses(t.Context(), Uses{AccessTokens: map[string]Use{"bbbbbbbbbbbb": {At: s.Now()}}}))
		ids := func(unused bool, page Page) string {
			tokens, err := s.AllAccessTokens(t.Context(), unused, page)
			require.NoError(t, err)
			all := ""
			for _, token := range tokens {
				all += token.ID[:1] + " of " + token.Owner.String() + ", "
			}
			return all
		}
		assert.Equal(t, "a of user:alice, b of robot:ci, c of robot:ci, ", ids(false, Page{Limit: 10}))
		assert.Equal(t, "a of user:alice, c of robot:ci, ", ids(true, Page{Limit: 10}))
		assert.Equal(t, "a of user:alice, ", ids(true, Page{Limit: 1}))
		assert.Equal(t, "c of robot:ci, ", ids(true, Page{Limit: 10, After: "aaaaaaaaaaaa"}))
	})
}
