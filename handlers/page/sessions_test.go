package page

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
)

func TestSessionsEnd(t *testing.T) {
	change := func(c store.SubjectChange) func(*testing.T, *fixture, *browser) {
		return func(t *testing.T, f *fixture, _ *browser) {
			_, err := f.store.UpdateSubject(t.Context(), userRef("alice"), c, 0)
			require.NoError(t, err)
		}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("another long password"), bcrypt.MinCost)
	require.NoError(t, err)
	another, yes := string(hash), true
	use := func(every, until time.Duration) func(*testing.T, *fixture, *browser) {
		return func(t *testing.T, _ *fixture, b *browser) {
			for passed := every; passed < until; passed += every {
				time.Sleep(every)
				require.True(t, b.isSignedIn(), "after %s", passed)
			}
			time.Sleep(every)
		}
	}
	for name, c := range map[string]struct {
		after func(*testing.T, *fixture, *browser)
		ended bool
	}{
		"used after 59 minutes":     {use(59*time.Minute, 2*time.Hour), false},
		"not used for an hour":      {use(time.Hour, time.Hour), true},
		"used all the time for 12h": {use(10*time.Minute, 12*time.Hour), true},
		"just before that":          {use(10*time.Minute, 12*time.Hour-10*time.Minute), false},
		"disabled":                  {change(store.SubjectChange{Disabled: &yes}), true},
		"another password":          {change(store.SubjectChange{PasswordHash: &another}), true},
		"removed": {func(t *testing.T, f *fixture, _ *browser) {
			_, err := f.store.RemoveSubject(t.Context(), userRef("alice"), 0)
			require.NoError(t, err)
		}, true},
		"ended by an admin": {func(t *testing.T, f *fixture, _ *browser) {
			_, _, err := f.store.RevokeRefreshToken(t.Context(), f.logins("alice")[0], false)
			require.NoError(t, err)
		}, true},
		"ended with all others": {func(t *testing.T, f *fixture, _ *browser) {
			_, _, err := f.store.RevokeRefreshTokens(t.Context(), userRef("alice"))
			require.NoError(t, err)
		}, true},
		"nothing": {func(*testing.T, *fixture, *browser) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				b := f.signedIn("alice")
				require.True(t, b.isSignedIn())
				c.after(t, f, b)
				assert.Equal(t, c.ended, !b.isSignedIn())
			})
		})
	}
}

// TestSessionsOfOneUserAreBounded guards that who signs in again and again leaves no more rows than these.
func TestSessionsOfOneUserAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		first := f.signedIn("alice")
		for range store.MaxPageSessions {
			time.Sleep(time.Second)
			f.signedIn("alice")
		}
		assert.Len(t, f.logins("alice"), store.MaxPageSessions)
		assert.False(t, first.isSignedIn(), "the one that was not used for the longest time ended")
	})
}

// TestSessionOpensThePageAlone guards that what a browser keeps is no password and no refresh token, nor the other way round.
func TestSessionOpensThePageAlone(t *testing.T) {
	f := newFixture(t)
	b := f.signedIn("root")
	cookie := b.cookies["__Host-dockit"]
	for _, name := range []string{"root", "", "<token>"} {
		_, err := f.auth.Authenticate(t.Context(), name, cookie.Value)
		require.ErrorIs(t, err, auth.ErrInvalidCredentials)
	}
	_, err := f.auth.Refresh(t.Context(), "", cookie.Value)
	require.ErrorIs(t, err, auth.ErrInvalidCredentials)
	r := b.do(http.MethodGet, "/dockit/", nil)
	require.Equal(t, http.StatusOK, r.Code)

	_, token, err := f.auth.CreateAccessToken(t.Context(), auth.TokenRequest{Owner: userRef("root"), Name: "laptop"})
	require.NoError(t, err)
	b.cookies["__Host-dockit"] = &http.Cookie{Name: "__Host-dockit", Value: token.Reveal()}
	assert.False(t, b.isSignedIn(), "an access token is no session")
}

func TestLoginsAreListedAndEnded(t *testing.T) {
	f := newFixture(t)
	b, other := f.signedIn("alice"), f.signedIn("alice")
	page := b.get("sessions").Body.String()
	for _, id := range f.logins("alice") {
		assert.Contains(t, page, id)
	}
	assert.Contains(t, page, "this browser")
	assert.Contains(t, page, "Firefox/145")
	own := f.loginOf(b)
	for _, id := range f.logins("alice") {
		if id != own {
			answer := b.post("sessions/" + id + "/end")
			assert.Equal(t, "/dockit/sessions?done=session-ended", answer.Header().Get("Location"))
		}
	}
	assert.False(t, other.isSignedIn())
	assert.True(t, b.isSignedIn())
	assert.Contains(t, b.get("sessions?done=session-ended").Body.String(), "That login has ended.")

	bob := f.signedIn("bob")
	assert.Equal(t, http.StatusForbidden, bob.post("sessions/"+own+"/end").Code, "that of somebody else")
	assert.True(t, b.isSignedIn())

	assert.Equal(t, http.StatusSeeOther, b.post("sessions/end").Code)
	assert.Empty(t, f.logins("alice"))
	assert.False(t, b.isSignedIn())
}

// loginOf is the id of the session of a browser.
func (f *fixture) loginOf(b *browser) string {
	f.Helper()
	p, err := f.auth.ByPageSession(f.Context(), b.cookies["__Host-dockit"].Value)
	require.NoError(f, err)
	return p.Page.ID
}
