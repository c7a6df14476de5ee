package page

import (
	"cmp"
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
)

func TestSignIn(t *testing.T) {
	f := newFixture(t)
	b := f.browser()
	answer := b.get("credentials?x=1")
	require.Equal(t, http.StatusSeeOther, answer.Code)
	assert.Equal(t, "/dockit/sign-in?next=%2Fdockit%2Fcredentials%3Fx%3D1", answer.Header().Get("Location"))
	assert.Contains(t, b.get("sign-in?next=%2Fdockit%2Fcredentials%3Fx%3D1").Body.String(), `name="next" value="/dockit/credentials?x=1"`)

	answer = b.post("sign-in", "name", "Alice", "password", goodPassword, "next", "/dockit/credentials?x=1")
	require.Equal(t, http.StatusSeeOther, answer.Code, "body: %s", answer.Body)
	assert.Equal(t, "/dockit/credentials?x=1", answer.Header().Get("Location"))
	cookie := answer.Result().Cookies()[0]
	assert.Equal(t, "__Host-dockit", cookie.Name)
	assert.True(t, cookie.Secure && cookie.HttpOnly && cookie.Path == "/" && cookie.Domain == "" && cookie.SameSite == http.SameSiteLaxMode, "%s", cookie)
	secret := cookie.Value[strings.LastIndex(cookie.Value, "_")+1:]
	assert.GreaterOrEqual(t, len(secret)*5, 256, "bits of the secret")
	assert.Contains(t, b.get("").Body.String(), "Hello, alice")

	tokens, err := f.store.RefreshTokens(t.Context(), userRef("alice"))
	require.NoError(t, err)
	require.Len(t, tokens, 1)
	assert.Equal(t, []any{store.PageLogin, "Firefox/145", "192.0.2.7"}, []any{tokens[0].Kind, tokens[0].Client, tokens[0].Address})

	assert.Equal(t, http.StatusSeeOther, b.post("sign-out").Code)
	assert.Empty(t, b.cookies)
	assert.Empty(t, f.logins("alice"))
	b.cookies[cookie.Name] = cookie
	assert.False(t, b.isSignedIn(), "with the cookie of before")
}

// TestSignInIsThatOfTheAPI guards that the page takes a password of a person alone, and that wrong ones are counted and
// written down as everywhere.
func TestSignInIsThatOfTheAPI(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.user("off", false)
		yes := true
		_, err := f.store.UpdateSubject(t.Context(), userRef("off"), store.SubjectChange{Disabled: &yes}, 0)
		require.NoError(t, err)
		_, token, err := f.auth.CreateAccessToken(t.Context(), auth.TokenRequest{Owner: userRef("alice"), Name: "laptop"})
		require.NoError(t, err)
		for name, c := range map[string]struct {
			name, password string
			status         int
			says           string
		}{
			"wrong password":      {"alice", "not the password", http.StatusUnauthorized, "wrong username or password"},
			"unknown":             {"nobody", goodPassword, http.StatusUnauthorized, "wrong username or password"},
			"disabled":            {"off", goodPassword, http.StatusUnauthorized, "wrong username or password"},
			"access token":        {"alice", token.Reveal(), http.StatusUnprocessableEntity, "sign in with your password"},
			"no password":         {"alice", "", http.StatusUnprocessableEntity, "name and password are both needed"},
			"name that cannot be": {"a:b", goodPassword, http.StatusUnauthorized, "wrong username or password"},
		} {
			b := f.browser()
			answer := b.post("sign-in", "name", c.name, "password", c.password)
			assert.Equal(t, c.status, answer.Code, name)
			assert.Contains(t, answer.Body.String(), c.says, name)
			assert.Empty(t, answer.Header().Get("WWW-Authenticate"), "%s: a browser would open a window of its own", name)
			assert.Empty(t, b.cookies, name)
			assert.NotContains(t, answer.Body.String(), cmp.Or(c.password, goodPassword), "%s: the password comes back", name)
		}
		f.flush()
		entries, err := f.store.AuditEntries(t.Context(), store.AuditQuery{Action: audit.LoginFailed, Limit: 10})
		require.NoError(t, err)
		assert.NotEmpty(t, entries)

		b := f.browser()
		b.address = "198.51.100.1"
		status := 0
		for i := 0; i < 30 && status != http.StatusTooManyRequests; i++ {
			status = b.post("sign-in", "name", "bob", "password", "a wrong password "+strings.Repeat("x", i)).Code
		}
		require.Equal(t, http.StatusTooManyRequests, status, "who guesses is locked out")
		answer := b.post("sign-in", "name", "bob", "password", goodPassword)
		assert.Equal(t, http.StatusTooManyRequests, answer.Code)
		assert.NotEmpty(t, answer.Header().Get("Retry-After"))
		time.Sleep(time.Hour)
		assert.Equal(t, http.StatusSeeOther, b.post("sign-in", "name", "bob", "password", goodPassword).Code)
	})
}

// TestSessionIsNew guards that nobody can give a browser a session and wait until somebody signs in with it.
func TestSessionIsNew(t *testing.T) {
	f := newFixture(t)
	foreign := f.signedIn("bob").cookies["__Host-dockit"]
	b := f.browser()
	b.cookies[foreign.Name] = foreign
	require.Equal(t, http.StatusSeeOther, b.post("sign-in", "name", "alice", "password", goodPassword).Code)
	assert.NotEqual(t, foreign.Value, b.cookies[foreign.Name].Value)
	assert.Contains(t, b.get("").Body.String(), "Hello, alice")
	assert.Empty(t, f.logins("bob"), "the session that was there has ended")

	made := f.browser()
	made.cookies["__Host-dockit"] = &http.Cookie{Name: "__Host-dockit", Value: "chosen"}
	require.Equal(t, http.StatusSeeOther, made.post("sign-in", "name", "alice", "password", goodPassword).Code)
	assert.NotEqual(t, "chosen", made.cookies["__Host-dockit"].Value)
}

// TestCookieOfThisMachineOpensNothingOverTLS guards that a page of another port or over plain HTTP cannot set what counts
// for one over TLS.
func TestCookieOfThisMachineOpensNothingOverTLS(t *testing.T) {
	f := newFixture(t)
	b := f.browser()
	b.base = "http://localhost:4315"
	require.Equal(t, http.StatusSeeOther, b.post("sign-in", "name", "alice", "password", goodPassword).Code)
	cookie := b.cookies["dockit"]
	require.NotNil(t, cookie)
	assert.True(t, !cookie.Secure && cookie.HttpOnly && cookie.Path == "/dockit/" && cookie.SameSite == http.SameSiteLaxMode, "%s", cookie)
	assert.True(t, b.isSignedIn())
	b.base = "https://localhost"
	assert.False(t, b.isSignedIn())
}

func TestPlainHTTPIsRefused(t *testing.T) {
	f := newFixture(t)
	for base, allowed := range map[string]bool{
		"https://dockit.example.com":      true,
		"http://localhost:4315":           true,
		"http://dockit.localhost":         true,
		"http://127.0.0.1:4315":           true,
		"http://127.8.8.8":                true,
		"http://[::1]:4315":               true,
		"http://dockit.example.com":       false,
		"http://localhost.example.com":    false,
		"http://10.0.0.1:4315":            false,
		"http://[::ffff:10.0.0.1]":        false,
		"http://notlocalhost":             false,
		"http://127.0.0.1.example.com:80": false,
	} {
		b := f.browser()
		b.base = base
		signIn := b.post("sign-in", "name", "alice", "password", goodPassword)
		shown := b.get("sign-in")
		if allowed {
			assert.Equal(t, http.StatusSeeOther, signIn.Code, base)
			continue
		}
		assert.Equal(t, []int{http.StatusForbidden, http.StatusForbidden}, []int{signIn.Code, shown.Code}, base)
		assert.Contains(t, shown.Body.String(), "write https:// in the address", base)
		assert.NotContains(t, shown.Body.String(), `name="password"`, "%s: nobody is to type it there", base)
		assert.Empty(t, b.cookies, base)
	}
}

// TestProxyThatNamesThisMachineIsNotThisMachine guards that a proxy which is not trusted, and passes on another host than its
// client asked for, makes nobody send a password over plain HTTP.
func TestProxyThatNamesThisMachineIsNotThisMachine(t *testing.T) {
	f := newFixture(t)
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		b := f.browser()
		b.base = "http://127.0.0.1:4315"
		b.change = func(r *http.Request) { r.Header.Set(header, "https") }
		answer := b.post("sign-in", "name", "alice", "password", goodPassword)
		assert.Equal(t, http.StatusForbidden, answer.Code, header)
		assert.Empty(t, b.cookies, header)
	}
	b := f.browser() // a proxy that says nothing of itself: the browser does
	b.base = "http://127.0.0.1:4315"
	b.change = func(r *http.Request) {
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Set("Origin", "http://dockit.example.com")
	}
	assert.Equal(t, http.StatusForbidden, b.post("sign-in", "name", "alice", "password", goodPassword).Code)
	assert.Empty(t, b.cookies)
	for name, change := range map[string]func(*http.Request){
		"speaks HTTP/1.0":         func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0 },
		"passes on the Origin":    func(r *http.Request) { r.Header.Set("Origin", "https://dockit.example.com") },
		"speaks TLS where nobody": func(r *http.Request) { r.Host, r.TLS = "dockit.example.com", &tls.ConnectionState{} },
	} {
		b := f.browser()
		b.base = "http://127.0.0.1:4315"
		b.change = change
		assert.Equal(t, http.StatusForbidden, b.post("sign-in", "name", "alice", "password", goodPassword).Code, name)
		assert.Empty(t, b.cookies, name)
		assert.NotContains(t, b.get("sign-in").Body.String(), `name="password"`, name)
	}
}

// TestNothingLeadsElsewhere guards that a link to the sign-in goes on to a page of this one alone.
func TestNothingLeadsElsewhere(t *testing.T) {
	f := newFixture(t)
	b := f.browser()
	answer := b.post("sign-in", "name", "alice", "password", goodPassword, "next", "https://evil.example.com/")
	assert.Equal(t, frame.Root, answer.Header().Get("Location"))
	assert.Equal(t, frame.Root, b.get("sign-in?next="+url.QueryEscape("//evil.example.com")).Header().Get("Location"), "who is signed in already")
}
