package admin

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
)

// TestTokensOfAnAdmin shows what an admin may do with a token, and that the
// password of an admin stays enough for everything.
func TestTokensOfAnAdmin(t *testing.T) {
	f := populated(t)
	root := as("root", goodPassword)
	made := func(path, body string, who func(*http.Request)) adminapi.IssuedAccessToken {
		t.Helper()
		got := f.do("POST", path, body, who)
		require.Equal(t, http.StatusCreated, got.StatusCode, "body: %s", got.body)
		var issued adminapi.IssuedAccessToken
		got.decode(t, &issued)
		return issued
	}
	expires := time.Now().Add(2 * time.Minute).UTC().Truncate(time.Second)
	limited := made("/users/root/access-tokens", fmt.Sprintf(`{"networks":["198.51.0.0/16"],"expires_at":%q}`, expires.Format(time.RFC3339)), root)
	whole := made("/users/root/access-tokens", `{"name":"whole"}`, root)
	refresh := f.refreshToken("root")
	bobs := strings.Split(f.refreshToken("bob"), "_")[1]

	child := made("/robots/ci/access-tokens", `{}`, as("root", limited.Token))
	assert.Equal(t, limited.ID, child.MadeBy)
	assert.Equal(t, limited.Networks, child.Networks)
	assert.Equal(t, expires, child.ExpiresAt)
	var listed adminapi.List[adminapi.AccessToken]
	f.do("GET", "/robots/ci/access-tokens", "").decode(t, &listed)
	require.Len(t, listed.Items, 1)
	assert.Equal(t, child.AccessToken, listed.Items[0])

	for name, token := range map[string]string{"limited": limited.Token, "whole": whole.Token, "refresh token": refresh} {
		for _, c := range []struct{ name, method, path, body string }{
			{"set a password", "PUT", "/users/bob/password", `{"password":"another long password"}`},
			{"set the own password", "PUT", "/users/root/password", `{"password":"another long password"}`},
			{"make an admin", "PATCH", "/users/bob", `{"admin":true}`},
			{"add an admin", "POST", "/users", `{"name":"evil","admin":true,"password":"another long password"}`},
			{"enable an admin", "PATCH", "/users/off", `{"disabled":false}`},
			{"remove an admin", "DELETE", "/users/off", ``},
			{"end another's login", "DELETE", "/refresh-tokens/" + bobs, ``},
			{"end another's logins", "DELETE", "/users/bob/refresh-tokens", ``},
			{"apply an admin", "PUT", "/state?add=true", "version: dockit/v1\nusers:\n  - {name: evil, admin: true}\nrobots:\n  - name: new\n"},
			{"trust an issuer, which is not even asked", "POST", "/issuers", `{"name":"evil","url":"https://127.0.0.1:1"}`},
			{"keep what it made", "DELETE", "/access-tokens/" + limited.ID + "?keep_made=true", ``},
		} {
			got := f.do(c.method, c.path, c.body, as("root", token), func(r *http.Request) {
				if strings.HasPrefix(c.path, "/state") {
					r.Header.Set("Content-Type", "application/yaml")
				}
			})
			require.Equal(t, http.StatusForbidden, got.StatusCode, "%s with %s: %s", c.name, name, got.body)
			p := got.problem(t)
			assert.Equal(t, adminapi.CodePasswordNeeded, p.Code, "%s with %s", c.name, name)
			assert.Contains(t, p.Detail, "log in with a password", "%s with %s", c.name, name)
		}
	}
	assert.Equal(t, http.StatusNotFound, f.do("GET", "/robots/new", "").StatusCode, "a part of what was refused")
	assert.Equal(t, http.StatusForbidden, f.do("POST", "/access-tokens/"+whole.ID+"/rotate", "", as("root", limited.Token)).StatusCode)
	assert.Equal(t, http.StatusForbidden, f.do("POST", "/access-tokens/"+limited.ID+"/rotate", `{"expires_at":"2099-01-01T00:00:00Z"}`, as("root", limited.Token)).StatusCode)

	got := f.do("POST", "/users", `{"name":"guest","password":"another long password"}`, as("root", limited.Token))
	require.Equal(t, http.StatusCreated, got.StatusCode, "body: %s", got.body)
	var guest adminapi.Subject
	got.decode(t, &guest)
	assert.Equal(t, limited.ID, guest.PasswordMadeBy)
	assert.Equal(t, expires, guest.PasswordExpiresAt)
	assert.Equal(t, limited.Networks, guest.PasswordNetworks)

	got = f.do("DELETE", "/access-tokens/"+limited.ID, "")
	require.Equal(t, http.StatusOK, got.StatusCode)
	var became adminapi.RevokedToken
	got.decode(t, &became)
	assert.Equal(t, adminapi.RevokedToken{Ended: []adminapi.MadeCredential{
		{AccessToken: child.ID, Name: child.Name, Owner: robot("ci")}, {Owner: user("guest")},
	}}, became)

	kept := made("/robots/ci/access-tokens", `{}`, as("root", whole.Token))
	got = f.do("DELETE", "/access-tokens/"+whole.ID+"?keep_made=true", "")
	require.Equal(t, http.StatusOK, got.StatusCode)
	became = adminapi.RevokedToken{}
	got.decode(t, &became)
	assert.Equal(t, adminapi.RevokedToken{Kept: []adminapi.MadeCredential{{AccessToken: kept.ID, Name: kept.Name, Owner: robot("ci")}}}, became)
	_, err := f.api.config.Auth.Authenticate(t.Context(), "ci", kept.Token)
	require.NoError(t, err)

	for _, c := range []struct{ method, path, body string }{
		{"PATCH", "/users/off", `{"disabled":false}`},
		{"PATCH", "/users/bob", `{"admin":true}`},
		{"PUT", "/users/alice/password", `{"password":"another long password"}`},
		{"DELETE", "/users/bob/refresh-tokens", ``},
		{"DELETE", "/users/off", ``},
	} {
		assert.Less(t, f.do(c.method, c.path, c.body, root).StatusCode, 300, "%s %s with a password", c.method, c.path)
	}
}
