package admin

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
)

// TestUsersSeeWhatTheyMayDoThemselves guards that a user reads about itself what an admin would, and nothing else.
func TestUsersSeeWhatTheyMayDoThemselves(t *testing.T) {
	f := populated(t)
	require.Equal(t, http.StatusOK, f.do("POST", "/users/alice/permissions", `{"permission":"repository:a:pull"}`).StatusCode)
	alice := as("alice", goodPassword)
	_, token, err := f.api.config.Auth.CreateAccessToken(t.Context(), auth.TokenRequest{Owner: user("alice"), Name: "laptop"})
	require.NoError(t, err)
	for _, path := range []string{"/permissions", "/effective-permissions", "/can?name=a&actions=pull", "/groups", "/access-tokens", "/refresh-tokens"} {
		for _, method := range []string{"GET", "HEAD"} {
			assert.Equal(t, http.StatusOK, f.do(method, "/users/alice"+path, "", alice).StatusCode, "%s %s", method, path)
			assert.Equal(t, http.StatusForbidden, f.do(method, "/users/bob"+path, "", alice).StatusCode, "%s %s of somebody else", method, path)
			assert.Equal(t, http.StatusForbidden, f.do(method, "/users/alice"+path, "", as("alice", token.Reveal())).StatusCode, "%s %s by a token", method, path)
		}
	}
	before, err := f.store.Marks(t.Context())
	require.NoError(t, err)
	for _, c := range []struct{ method, path, body string }{
		{"PATCH", "/users/alice", `{"admin":true}`},
		{"PATCH", "/users/alice", `{"disabled":true}`},
		{"DELETE", "/users/alice", ``},
		{"POST", "/users/alice/permissions", `{"permission":"repository:b:pull"}`},
		{"DELETE", "/users/alice/permissions?permission=repository:a:pull", ``},
		{"POST", "/users/alice/can?name=a&actions=pull", ``},
		{"DELETE", "/users/alice/lockouts", ``},
		{"PUT", "/groups/dev/members/user:alice", ``},
		{"GET", "/groups/dev/members", ``},
		{"GET", "/users/alice%2f..%2fbob/permissions", ``},
		{"GET", "/users/alice/../bob/permissions", ``},
		{"GET", "/users/alice/permissions/", ``},
		{"GET", "/users", ``},
	} {
		got := f.do(c.method, c.path, c.body, alice)
		assert.Contains(t, []int{http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests}, got.StatusCode, "%s %s", c.method, c.path)
	}
	after, err := f.store.Marks(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before.Revision, after.Revision)
}

// atPage makes a request one of a user who signed in at the page, and gave the password some time ago.
func (f *fixture) atPage(name string, ago time.Duration) func(*http.Request) {
	f.t.Helper()
	who, err := f.store.Subject(f.t.Context(), user(name))
	require.NoError(f.t, err)
	return func(r *http.Request) {
		r.Header.Del("Authorization")
		*r = *r.WithContext(auth.WithPrincipal(r.Context(), auth.Principal{
			ID: who.ID, Ref: who.Ref, Admin: who.Admin, Method: auth.ByPage, Page: &auth.PageSession{ID: "abcdefghijkl", ProvedAt: f.store.Now().Add(-ago)},
		}))
	}
}

// TestPageIsNoSecondAuthority guards that who signed in at the page may do what it may do with its password.
func TestPageIsNoSecondAuthority(t *testing.T) {
	f := populated(t)
	alice := f.atPage("alice", 0)
	assert.Equal(t, http.StatusOK, f.do("GET", "/users/alice/permissions", "", alice).StatusCode)
	assert.Equal(t, http.StatusCreated, f.do("POST", "/users/alice/access-tokens", `{}`, f.atPage("alice", 5*time.Minute)).StatusCode)
	for _, path := range []string{"/users", "/users/bob/access-tokens", "/audit", "/state"} {
		assert.Equal(t, http.StatusForbidden, f.do("GET", path, "", alice).StatusCode, path)
	}
	assert.Equal(t, http.StatusOK, f.do("GET", "/users", "", f.atPage("root", 0)).StatusCode)
	f.flush()
	entries, err := f.store.AuditEntries(t.Context(), store.AuditQuery{Limit: 100, Actor: "user:alice"})
	require.NoError(t, err)
	assert.NotEmpty(t, entries)
}

func TestPasswordIsAskedForAgain(t *testing.T) {
	f := populated(t)
	_, own, err := f.api.config.Auth.CreateAccessToken(t.Context(), auth.TokenRequest{Owner: user("root"), Name: "own"})
	require.NoError(t, err)
	pullA, err := access.ParsePermission("repository:a:pull")
	require.NoError(t, err)
	_, scoped, err := f.api.config.Auth.CreateAccessToken(t.Context(), auth.TokenRequest{
		Owner: user("root"), Name: "scoped", Scopes: []access.Permission{pullA},
	})
	require.NoError(t, err)
	_, other, err := f.api.config.Auth.CreateAccessToken(t.Context(), auth.TokenRequest{Owner: user("bob"), Name: "other"})
	require.NoError(t, err)
	for _, c := range []struct {
		method, path, body string
		again              bool
	}{
		{"GET", "/users", ``, false},
		{"POST", "/users", `{"name":"carol"}`, false},
		{"POST", "/users", `{"name":"dave","admin":true}`, true},
		{"POST", "/users", `{"name":"erin","password":"another long password"}`, true},
		{"POST", "/users", `{"name":"frank","password_hash":"$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"}`, true},
		{"PATCH", "/users/bob", `{"disabled":false}`, false},
		{"PATCH", "/users/bob", `{"admin":true}`, true},
		{"PUT", "/users/bob/password", `{"password":"another long password"}`, true},
		{"PUT", "/users/root/password", `{"password":"another long password"}`, true},
		{"POST", "/users/root/access-tokens", `{}`, true}, // it opens the admin API
		{"POST", "/users/root/access-tokens", `{"scopes":["repository:a:pull"]}`, false},
		{"POST", "/users/bob/access-tokens", `{}`, true},
		{"POST", "/robots/ci/access-tokens", `{}`, true},
		{"POST", "/access-tokens/" + own.ID() + "/rotate", `{}`, true},
		{"POST", "/access-tokens/" + scoped.ID() + "/rotate", `{}`, false},
		{"POST", "/access-tokens/" + other.ID() + "/rotate", `{}`, true},
		{"DELETE", "/access-tokens/" + other.ID(), ``, true},
		{"DELETE", "/access-tokens/" + scoped.ID(), ``, false},
		{"DELETE", "/users/root/refresh-tokens", ``, false},
		{"DELETE", "/users/bob/refresh-tokens", ``, true},
		{"DELETE", "/robots/ci/sessions", ``, true},
		{"DELETE", "/sessions/abcdefghijkl", ``, true},
		{"POST", "/pki/rotate", ``, true},
		{"POST", "/pki/rotate-ca", `{"force":true}`, true},
		{"POST", "/pki/keys/unknown/revoke", ``, true},
		{"POST", "/issuers", `{"name":"idp","url":"https://idp.example.com"}`, true},
		{"POST", "/bindings", `{"name":"b","issuer":"idp","robot":"robot:ci","claims":["sub=x"]}`, true},
		{"DELETE", "/bindings/b", ``, true},
		{"DELETE", "/issuers/idp", ``, true},
		{"PUT", "/state?add=true", "version: dockit/v1\n", true},
		{"POST", "/state/plan", "version: dockit/v1\n", false},
		{"GET", "/state", ``, false},
	} {
		what := c.method + " " + c.path + " " + c.body
		got := f.do(c.method, c.path, c.body, f.atPage("root", 5*time.Minute))
		if !c.again {
			assert.Less(t, got.StatusCode, http.StatusBadRequest, "%s: %s", what, got.body)
			continue
		}
		assert.Equal(t, http.StatusUnauthorized, got.StatusCode, what)
		assert.Equal(t, adminapi.CodePasswordAgain, got.problem(t).Code, what)
		assert.NotEqual(t, http.StatusUnauthorized, f.do(c.method, c.path, c.body, f.atPage("root", 4*time.Minute)).StatusCode, what)
	}
}
