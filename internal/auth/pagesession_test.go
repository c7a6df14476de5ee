package auth

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// atPage begins a session at the page for a user.
func (f *fixture) atPage(name string) string {
	f.Helper()
	secret, _, err := f.BeginPageSession(from(f.Context(), home), f.accepted(name, secret, home))
	require.NoError(f, err)
	return secret
}

// byPage uses a session at the page.
func (f *fixture) byPage(secret string) (Principal, error) {
	return f.ByPageSession(from(f.Context(), home), secret)
}

// TestPageSessionOnTwoNodes guards that a session that is used at one node is not idle at another, and that it ends at both.
func TestPageSessionOnTwoNodes(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		other := f.elsewhere()
		session := f.atPage("alice")
		for range 8 {
			time.Sleep(30 * time.Minute)
			_, err := f.byPage(session)
			require.NoError(t, err)
		}
		time.Sleep(time.Minute) // until that is written down
		p, err := other.byPage(session)
		require.NoError(t, err)
		assert.Equal(t, ByPage, p.Method)
		require.NoError(t, f.EndPageSession(t.Context(), p))
		_, err = f.byPage(session)
		require.ErrorIs(t, err, ErrInvalidCredentials)
		time.Sleep(2 * time.Second)
		_, err = other.byPage(session)
		require.ErrorIs(t, err, ErrInvalidCredentials)
	})
}

// TestPageSessionIsWrittenDownSeldom guards that who looks at many pages costs a write a minute at most.
func TestPageSessionIsWrittenDownSeldom(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		session := f.atPage("alice")
		lastUses := map[time.Time]bool{}
		for range 600 {
			time.Sleep(time.Second)
			_, err := f.byPage(session)
			require.NoError(t, err)
			tokens, err := f.Store.RefreshTokens(t.Context(), subject.Ref{Kind: subject.User, Name: "alice"})
			require.NoError(t, err)
			lastUses[tokens[0].LastUse.At] = true
		}
		assert.LessOrEqual(t, len(lastUses), 11, "in ten minutes")
		assert.GreaterOrEqual(t, len(lastUses), 4)
	})
}

// TestPageSessionHasTheLimitsOfThePassword guards that signing in makes nothing wider than the password that a token set.
func TestPageSessionHasTheLimitsOfThePassword(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		expires := f.store.Now().Add(2 * time.Hour).Truncate(time.Microsecond)
		limits := store.Limits{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, ExpiresAt: expires}
		f.Raw("UPDATE subjects SET password_made_by = 'abcdefghijkl', password_networks = '192.0.2.0/24', password_expires_at = " +
			strconv.FormatInt(expires.UnixMicro(), 10) + " WHERE name = 'alice'")
		p := f.accepted("alice", secret, home)
		token, session, err := f.BeginPageSession(from(t.Context(), home), p)
		require.NoError(t, err)
		assert.Equal(t, expires.UTC(), session.ExpiresAt.UTC())
		p, err = f.byPage(token)
		require.NoError(t, err)
		assert.Equal(t, store.Credential{ID: "abcdefghijkl", Password: true, Limits: limits}.ID, p.Credential.ID)
		assert.Equal(t, limits.Networks, p.Credential.Networks)
		assert.True(t, p.Credential.Password)
		_, err = f.ByPageSession(from(t.Context(), "198.51.100.1"), token)
		require.ErrorIs(t, err, ErrInvalidCredentials, "from elsewhere")
	})
}

// TestPageSessionTakesAPassword guards that no token leads to a session, nor to the proof of one.
func TestPageSessionTakesAPassword(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		page, err := f.byPage(f.atPage("alice"))
		require.NoError(t, err)
		_, token, err := f.CreateAccessToken(t.Context(), TokenRequest{Owner: page.Ref, Name: "laptop"})
		require.NoError(t, err)
		byToken := f.accepted("alice", token.Reveal(), home)
		_, _, err = f.BeginPageSession(t.Context(), byToken)
		require.ErrorIs(t, err, ErrInvalidCredentials)
		require.ErrorIs(t, f.ProvePageSession(t.Context(), page, byToken), ErrInvalidCredentials)
		require.ErrorIs(t, f.ProvePageSession(t.Context(), page, f.accepted("bob", secret, home)), ErrInvalidCredentials, "that of another")
		require.ErrorIs(t, f.ProvePageSession(t.Context(), byToken, f.accepted("alice", secret, home)), ErrInvalidCredentials, "no session")

		time.Sleep(5 * time.Minute)
		assert.True(t, page.PasswordIsOld(f.store.Now()))
		proof := f.accepted("alice", secret, home)
		require.NoError(t, f.ProvePageSession(t.Context(), page, proof))
		require.NoError(t, f.EndPageSession(t.Context(), page))
		require.ErrorIs(t, f.ProvePageSession(t.Context(), page, proof), ErrInvalidCredentials, "it is over")
	})
}

// TestPageSessionOfAChangedPassword guards that a password that was checked just before it was changed begins no session.
func TestPageSessionOfAChangedPassword(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		p := f.accepted("alice", secret, home)
		hash := f.Hash("another long password")
		f.Change("alice", store.SubjectChange{PasswordHash: &hash})
		_, _, err := f.BeginPageSession(t.Context(), p)
		require.ErrorIs(t, err, ErrInvalidCredentials)
	})
}
