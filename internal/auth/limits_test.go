package auth

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// acting is a context of what a principal does.
func (f *fixture) acting(p Principal) context.Context {
	return store.WithActor(f.Context(), store.Actor{Ref: p.Ref, Credential: p.Credential})
}

// The credential that proves a subject limits what it may make.
func TestPrincipalHasItsCredential(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{RefreshTokens: true})
		networks := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		expires := time.Now().Add(time.Hour)
		created, token, err := f.CreateAccessToken(f.Context(), TokenRequest{Owner: aliceRef, Name: "a", Networks: networks, ExpiresAt: expires})
		require.NoError(t, err)
		p := f.accepted("alice", secret, home)
		assert.Empty(t, p.Credential.ID, "password: %+v", p.Credential)
		p = f.accepted("alice", token.Reveal(), home)
		c := p.Credential
		assert.Equal(t, created.ID, c.ID, "access token")
		assert.False(t, c.Password, "access token")
		assert.Equal(t, []netip.Prefix{networks[0]}, c.Networks, "access token")
		assert.WithinDuration(t, expires, c.ExpiresAt, 0, "access token")
		refresh := f.accepted("", f.login(), home)
		c = refresh.Credential
		require.NotEmpty(t, c.ID, "refresh token")
		assert.WithinDuration(t, time.Now().Add(90*24*time.Hour), c.ExpiresAt, 0, "refresh token")
		refreshed, err := f.IssueRefreshToken(f.Context(), p, "registry")
		assert.Empty(t, refreshed, "a refresh token for an access token")
		require.NoError(t, err, "a refresh token for an access token")

		// The secret before a rotation makes nothing that outlives it.
		_, _, err = f.RotateAccessToken(f.Context(), created.ID, time.Minute, nil)
		require.NoError(t, err)
		old := f.accepted("alice", token.Reveal(), home)
		assert.WithinDuration(t, old.Credential.ExpiresAt, time.Now().Add(time.Minute), 0, "previous secret: %+v", old.Credential)
		made, _, err := f.CreateAccessToken(f.acting(old), TokenRequest{Owner: aliceRef, Name: "b"})
		require.NoError(t, err, "made by it")
		assert.WithinDuration(t, time.Now().Add(time.Minute), made.ExpiresAt, 0, "made by it: %+v", made)
		_, _, err = f.RotateAccessToken(f.acting(old), created.ID, 0, nil)
		assert.ErrorIs(t, err, store.ErrWider, "it rotates itself")
	})
}

// A ceiling on the life of tokens is no wish for one that long.
func TestTokenMadeByATokenUnderACeiling(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{AccessTokenLife: 30 * 24 * time.Hour})
		expires := time.Now().Add(time.Hour)
		maker := f.accepted("alice", f.token(TokenRequest{Owner: aliceRef, Name: "a", ExpiresAt: expires}), home)
		made, _, err := f.CreateAccessToken(f.acting(maker), TokenRequest{Owner: f.Robot("ci"), Name: "b"})
		require.NoError(t, err, "made")
		assert.WithinDuration(t, expires, made.ExpiresAt, 0, "made %+v", made)
		assert.Equal(t, maker.Credential.ID, made.MadeBy, "made %+v", made)
		_, _, err = f.CreateAccessToken(f.acting(maker), TokenRequest{Owner: aliceRef, Name: "c", ExpiresAt: expires.Add(time.Second)})
		assert.ErrorIs(t, err, store.ErrWider, "later than its maker")
	})
}

// A password that a token set is good where and as long as the token is, also
// when it is remembered, and makes what ends with the token.
func TestPasswordHasTheLimitsOfItsToken(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.with(Options{RefreshTokens: true})
		ref := subject.Ref{Kind: subject.User, Name: "new"}
		add := func(r TokenRequest) Principal {
			t.Helper()
			r.Owner = aliceRef
			maker := f.accepted("alice", f.token(r), home)
			_, err := f.store.CreateSubject(f.acting(maker), store.NewSubject{Ref: ref, PasswordHash: f.Hash(secret)})
			require.NoError(t, err)
			return maker
		}
		maker := add(TokenRequest{Name: "a", Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, ExpiresAt: time.Now().Add(30 * time.Second)})
		p := f.accepted("new", secret, home)
		c := p.Credential
		assert.True(t, c.Password)
		assert.Equal(t, maker.Credential.ID, c.ID)
		assert.WithinDuration(t, maker.Credential.ExpiresAt, c.ExpiresAt, 0)
		token, err := f.IssueRefreshToken(f.Context(), p, "registry")
		assert.Empty(t, token, "a refresh token, which would be good everywhere")
		require.NoError(t, err, "a refresh token, which would be good everywhere")
		before := f.Checks()
		f.refused("new", secret, "203.0.113.1")
		elsewhereCost := f.Checks() - before
		before = f.Checks()
		f.refused("new", "wrong", "203.0.113.2")
		n := f.Checks() - before
		assert.Equal(t, elsewhereCost, n, "%d checks where it is not good, %d for a wrong one: the time tells them apart", elsewhereCost, n)
		f.accepted("new", secret, home)
		time.Sleep(31 * time.Second) // it would be remembered for a minute
		f.refused("new", secret, home)
		require.NoError(t, f.store.DeleteSubject(f.Context(), ref, 0))

		maker = add(TokenRequest{Name: "b", ExpiresAt: time.Now().Add(time.Hour)})
		p = f.accepted("new", secret, home)
		token, err = f.IssueRefreshToken(f.Context(), p, "registry")
		require.NoError(t, err)
		require.NotEmpty(t, token)
		login := f.accepted("", token, home)
		assert.WithinDuration(t, maker.Credential.ExpiresAt, login.Credential.ExpiresAt, 0, "the refresh token outlives the password: %+v", login.Credential)
		_, _, err = f.store.RevokeAccessToken(f.Context(), maker.Credential.ID, false)
		require.NoError(t, err)
		f.refused("new", secret, home)
		f.refused("", token, home)
	})
}

// What ends because of its maker counts on every other node within two seconds.
func TestMadeEndsOnAnotherNode(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		other := f.node()
		other.Cache().Start()
		ci := f.Robot("ci")
		maker := f.accepted("alice", f.token(TokenRequest{Owner: aliceRef, Name: "a"}), home)
		_, made, err := f.CreateAccessToken(f.acting(maker), TokenRequest{Owner: ci, Name: "b"})
		require.NoError(t, err)
		try := func() error {
			_, err := other.Authenticate(from(f.Context(), home), "ci", made.Reveal())
			return err
		}
		require.NoError(t, try())
		yes := true
		f.Change("alice", store.SubjectChange{Disabled: &yes})
		f.refused("ci", made.Reveal(), home)
		time.Sleep(2 * time.Second)
		assert.ErrorIs(t, try(), ErrInvalidCredentials, "on another node")
	})
}
