package admin

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
)

// as sends a request with a user's credentials.
func as(username, pw string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(username, pw) }
}

// refreshToken turns refresh tokens on and returns the one of a login of the user.
func (f *fixture) refreshToken(username string) string {
	f.t.Helper()
	authenticator, err := f.api.config.Auth.(*auth.Authenticator).With(auth.Options{RefreshTokens: true})
	require.NoError(f.t, err)
	f.api.config.Auth = authenticator
	ctx := auth.WithOrigin(f.t.Context(), auth.Origin{Address: netip.MustParseAddr("192.0.2.7"), Client: "docker"})
	principal, err := authenticator.Authenticate(ctx, username, goodPassword)
	require.NoError(f.t, err)
	token, err := authenticator.IssueRefreshToken(ctx, principal, "registry")
	require.NoError(f.t, err)
	return token
}

func TestAccessTokenLife(t *testing.T) {
	f := populated(t)
	expires := time.Now().Add(24 * time.Hour).UTC().Truncate(time.Second)
	body := fmt.Sprintf(`{"name":"deploy","scopes":["repository:team/*:pull"],"networks":["10.0.0.0/8","2001:db8::/32"],"expires_at":%q}`, expires.Format(time.RFC3339))
	got := f.do("POST", "/robots/ci/access-tokens", body)
	require.Equal(t, http.StatusCreated, got.StatusCode, "body: %s", got.body)
	var made adminapi.IssuedAccessToken
	got.decode(t, &made)
	assert.Equal(t, "dockit_"+made.ID+"_", made.Token[:20])
	assert.Equal(t, adminapi.Prefix+"access-tokens/"+made.ID, got.Header.Get("Location"))
	assert.Equal(t, "no-store", got.Header.Get("Cache-Control"))
	assert.Equal(t, robot("ci"), made.Owner)
	assert.Equal(t, expires, made.ExpiresAt)
	assert.Len(t, made.Networks, 2)
	assert.Len(t, made.Scopes, 1)

	var listed adminapi.List[adminapi.AccessToken]
	f.do("GET", "/robots/ci/access-tokens", "").decode(t, &listed)
	require.Len(t, listed.Items, 1)
	assert.Equal(t, made.AccessToken, listed.Items[0])
	var shown adminapi.AccessToken
	f.do("GET", "/access-tokens/"+made.ID, "").decode(t, &shown)
	assert.Equal(t, made.AccessToken, shown)

	later := expires.Add(time.Hour)
	got = f.do("POST", "/access-tokens/"+made.ID+"/rotate", fmt.Sprintf(`{"grace":3600,"expires_at":%q}`, later.Format(time.RFC3339)))
	require.Equal(t, http.StatusOK, got.StatusCode, "body: %s", got.body)
	var rotated adminapi.IssuedAccessToken
	got.decode(t, &rotated)
	assert.Equal(t, made.ID, rotated.ID)
	assert.NotEqual(t, made.Token, rotated.Token)
	assert.Equal(t, later, rotated.ExpiresAt)
	assert.WithinDuration(t, time.Now().Add(time.Hour), rotated.PreviousUntil, time.Minute)

	assert.Equal(t, http.StatusNoContent, f.do("DELETE", "/access-tokens/"+made.ID, "").StatusCode)
	assert.Equal(t, http.StatusNotFound, f.do("DELETE", "/access-tokens/"+made.ID, "").StatusCode)
	for _, token := range []string{made.Token, rotated.Token} {
		_, err := f.api.config.Auth.Authenticate(t.Context(), "ci", token)
		assert.ErrorIs(t, err, auth.ErrInvalidCredentials)
	}
}

func TestAccessTokenRefusals(t *testing.T) {
	f := populated(t)
	for i := range 2 {
		require.Equal(t, http.StatusCreated, f.do("POST", "/robots/ci/access-tokens", fmt.Sprintf(`{"name":"t%d"}`, i)).StatusCode)
	}
	for name, c := range map[string]struct {
		path, body string
		status     int
		code       adminapi.Code
		says       string
	}{
		"third of a robot": {"/robots/ci/access-tokens", `{"name":"t2"}`, 409, adminapi.CodeTooMany, "rotate or revoke"},
		"nobody":           {"/users/nobody/access-tokens", `{"name":"a"}`, 404, adminapi.CodeNotFound, "user:nobody"},
		"anonymous":        {"/users/anonymous/access-tokens", `{"name":"a"}`, 409, adminapi.CodeBuiltIn, "anonymous"},
		"invalid name":     {"/users/bob/access-tokens", `{"name":"my laptop"}`, 422, adminapi.CodeInvalid, "lower-case"},
		"invalid scope":    {"/users/bob/access-tokens", `{"name":"a","scopes":["repository:a"]}`, 422, adminapi.CodeInvalid, ""},
		"invalid network":  {"/users/bob/access-tokens", `{"name":"a","networks":["10.0.0.0"]}`, 422, adminapi.CodeInvalid, ""},
		"expired":          {"/users/bob/access-tokens", `{"name":"a","expires_at":"2020-01-01T00:00:00Z"}`, 422, adminapi.CodeInvalid, "over"},
	} {
		t.Run(name, func(t *testing.T) {
			got := f.do("POST", c.path, c.body)
			assert.Equal(t, c.status, got.StatusCode, "body: %s", got.body)
			p := got.problem(t)
			assert.Equal(t, c.code, p.Code)
			assert.Contains(t, p.Detail, c.says)
		})
	}
	t.Run("same name", func(t *testing.T) {
		require.Equal(t, http.StatusCreated, f.do("POST", "/users/bob/access-tokens", `{"name":"a"}`).StatusCode)
		got := f.do("POST", "/users/bob/access-tokens", `{"name":"a"}`)
		assert.Equal(t, http.StatusConflict, got.StatusCode)
		assert.Contains(t, got.problem(t).Detail, "rotate that one")
	})
}

// TestAdminByToken shows which tokens of an admin open the admin API.
func TestAdminByToken(t *testing.T) {
	f := populated(t)
	token := func(body string) string {
		t.Helper()
		var made adminapi.IssuedAccessToken
		f.do("POST", "/users/root/access-tokens", body).decode(t, &made)
		return made.Token
	}
	for name, c := range map[string]struct {
		token  string
		status int
	}{
		"access token":                               {token(`{"name":"a"}`), http.StatusOK},
		"access token with scopes":                   {token(`{"name":"b","scopes":["repository:**:*"]}`), http.StatusForbidden},
		"access token from where it may not be used": {token(`{"name":"c","networks":["10.0.0.0/8"]}`), http.StatusUnauthorized},
		"refresh token of docker login":              {f.refreshToken("root"), http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.status, f.do("GET", "/users", "", as("root", c.token)).StatusCode)
		})
	}
	assert.Equal(t, http.StatusOK, f.do("GET", "/users", "", as("<token>", f.refreshToken("root"))).StatusCode)
}

// TestUsersDoForThemselves shows what a user without admin rights may do.
func TestUsersDoForThemselves(t *testing.T) {
	f := populated(t)
	alice := as("alice", goodPassword)
	create := func(path string, who func(*http.Request)) adminapi.IssuedAccessToken {
		t.Helper()
		got := f.do("POST", path, `{"name":"laptop"}`, who)
		require.Equal(t, http.StatusCreated, got.StatusCode, "body: %s", got.body)
		var made adminapi.IssuedAccessToken
		got.decode(t, &made)
		return made
	}
	own := create("/users/alice/access-tokens", alice)
	foreign := create("/users/bob/access-tokens", as("root", goodPassword))
	refresh := strings.Split(f.refreshToken("alice"), "_")[1]
	foreignRefresh := strings.Split(f.refreshToken("bob"), "_")[1]
	for _, c := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"list own", "GET", "/users/alice/access-tokens", "", 200},
		{"list another's", "GET", "/users/bob/access-tokens", "", 403},
		{"list a robot's", "GET", "/robots/ci/access-tokens", "", 403},
		{"make another's", "POST", "/users/bob/access-tokens", `{"name":"x"}`, 403},
		{"make a robot's", "POST", "/robots/ci/access-tokens", `{"name":"x"}`, 403},
		{"show own", "GET", "/access-tokens/" + own.ID, "", 200},
		{"show another's", "GET", "/access-tokens/" + foreign.ID, "", 403},
		{"show what is not there", "GET", "/access-tokens/abcdefghijkl", "", 403},
		{"rotate own", "POST", "/access-tokens/" + own.ID + "/rotate", "", 200},
		{"rotate another's", "POST", "/access-tokens/" + foreign.ID + "/rotate", "", 403},
		{"revoke another's", "DELETE", "/access-tokens/" + foreign.ID, "", 403},
		{"revoke own", "DELETE", "/access-tokens/" + own.ID, "", 204},
		{"list own logins", "GET", "/users/alice/refresh-tokens", "", 200},
		{"list another's logins", "GET", "/users/bob/refresh-tokens", "", 403},
		{"show own login", "GET", "/refresh-tokens/" + refresh, "", 200},
		{"revoke another's login", "DELETE", "/refresh-tokens/" + foreignRefresh, "", 403},
		{"revoke another's logins", "DELETE", "/users/bob/refresh-tokens", "", 403},
		{"revoke own login", "DELETE", "/refresh-tokens/" + refresh, "", 204},
		{"revoke own logins", "DELETE", "/users/alice/refresh-tokens", "", 200},
		{"show own", "GET", "/users/alice", "", 403},
		{"own permissions", "POST", "/users/alice/permissions", `{"permission":"repository:**:*"}`, 403},
		{"own lockouts", "DELETE", "/users/alice/lockouts", "", 403},
		{"a path that climbs", "GET", "/users/alice/access-tokens/../../bob", "", 403},
		{"a path that climbs from a token", "GET", "/access-tokens/../users/bob", "", 404},
		{"a path that climbs unseen", "GET", "/access-tokens/%2e%2e%2fusers%2fbob", "", 403},
		{"a slash within a name", "DELETE", "/users/alice%2Faccess-tokens", "", 403},
		{"another's password", "PUT", "/users/bob/password", `{"password":"another long password"}`, 403},
		{"own password, too short", "PUT", "/users/alice/password", `{"password":"short"}`, 422},
	} {
		got := f.do(c.method, c.path, c.body, alice)
		assert.Equal(t, c.status, got.StatusCode, "%s: %s", c.name, got.body)
	}

	t.Run("not by a token", func(t *testing.T) {
		for name, token := range map[string]string{"access token": create("/users/alice/access-tokens", alice).Token, "refresh token": f.refreshToken("alice")} {
			assert.Equal(t, http.StatusForbidden, f.do("POST", "/users/alice/access-tokens", `{"name":"next"}`, as("alice", token)).StatusCode, name)
			assert.Equal(t, http.StatusForbidden, f.do("PUT", "/users/alice/password", `{"password":"another long password"}`, as("alice", token)).StatusCode, name)
		}
	})
	t.Run("password with the old one", func(t *testing.T) {
		refresh := f.refreshToken("alice")
		assert.Equal(t, http.StatusNoContent, f.do("PUT", "/users/alice/password", `{"password":"another long password"}`, alice).StatusCode)
		assert.Equal(t, http.StatusUnauthorized, f.do("GET", "/users/alice/access-tokens", "", alice).StatusCode)
		assert.Equal(t, http.StatusOK, f.do("GET", "/users/alice/access-tokens", "", as("alice", "another long password")).StatusCode)
		_, err := f.api.config.Auth.Authenticate(t.Context(), "", refresh)
		require.ErrorIs(t, err, auth.ErrInvalidCredentials, "a login with the old password goes on")
	})
}

func TestRefreshTokensAreListed(t *testing.T) {
	f := populated(t)
	older, newer, another := f.refreshToken("bob"), f.refreshToken("bob"), f.refreshToken("alice")
	parts := func(token string) (id, secret string) {
		fields := strings.Split(token, "_")
		require.Len(t, fields, 3)
		return fields[1], fields[2]
	}
	listed := func(path string) (page adminapi.List[adminapi.RefreshToken]) {
		t.Helper()
		got := f.do("GET", path, "")
		require.Equal(t, http.StatusOK, got.StatusCode, "body: %s", got.body)
		for _, token := range []string{older, newer, another} {
			_, secret := parts(token)
			assert.NotContains(t, string(got.body), secret)
		}
		got.decode(t, &page)
		require.NotNil(t, page.Items)
		return page
	}

	all := listed("/users/bob/refresh-tokens")
	require.Len(t, all.Items, 2)
	assert.Empty(t, all.NextCursor)
	for i, token := range []string{newer, older} { // the last used first
		id, _ := parts(token)
		got := all.Items[i]
		assert.WithinDuration(t, time.Now(), got.CreatedAt, time.Minute)
		assert.WithinDuration(t, got.CreatedAt.Add(90*24*time.Hour), got.ExpiresAt, time.Minute)
		assert.Equal(t, adminapi.RefreshToken{
			ID: id, Kind: "refresh", Owner: user("bob"), Service: "registry", Client: "docker", Address: "192.0.2.7",
			CreatedAt: got.CreatedAt, ExpiresAt: got.ExpiresAt, LastUsedAt: got.CreatedAt, LastUsedAddress: "192.0.2.7", LastUsedClient: "docker",
		}, got)
		var one adminapi.RefreshToken
		f.do("GET", "/refresh-tokens/"+id, "").decode(t, &one)
		assert.Equal(t, got, one)
	}

	first := listed("/users/bob/refresh-tokens?limit=1")
	require.Len(t, first.Items, 1)
	second := listed("/users/bob/refresh-tokens?limit=1&cursor=" + first.NextCursor)
	assert.Equal(t, all.Items, append(first.Items, second.Items...))
	assert.Empty(t, second.NextCursor)

	works := func(token string) error {
		_, err := f.api.config.Auth.Authenticate(t.Context(), "", token)
		return err
	}
	require.NoError(t, works(older))
	var revoked adminapi.RevokedRefreshTokens
	f.do("DELETE", "/users/bob/refresh-tokens", "").decode(t, &revoked)
	assert.Equal(t, int64(2), revoked.Revoked)
	assert.Empty(t, listed("/users/bob/refresh-tokens").Items)
	require.ErrorIs(t, works(older), auth.ErrInvalidCredentials)
	require.ErrorIs(t, works(newer), auth.ErrInvalidCredentials)
	assert.Len(t, listed("/users/alice/refresh-tokens").Items, 1)
	require.NoError(t, works(another))
}

func TestLockouts(t *testing.T) {
	f := populated(t)
	for _, failure := range []store.Failure{
		{Name: "bob", Network: "192.0.2.1/32"}, {Name: "bob", Network: "192.0.2.2/32"}, {Name: "ci", Network: "2001:db8::/64"}, {Name: "unknown:x", Network: "192.0.2.1/32"},
	} {
		failures := 1
		if failure.Network == "192.0.2.2/32" {
			failures = 10
		}
		for range failures {
			failure.At = time.Now()
			require.NoError(t, f.store.RecordFailures(t.Context(), store.FailureChange{New: []store.Failure{failure}}, time.Time{}))
		}
	}
	var pages []adminapi.Lockout
	for cursor, more := "", true; more; {
		var page adminapi.List[adminapi.Lockout]
		f.do("GET", "/lockouts?limit=1&cursor="+cursor, "").decode(t, &page)
		pages = append(pages, page.Items...)
		cursor, more = page.NextCursor, page.NextCursor != ""
	}
	var places []string
	for _, l := range pages {
		places = append(places, fmt.Sprintf("%s %s %d %v", l.Username, l.Network, l.Failures, !l.Until.IsZero()))
	}
	assert.True(t, slices.IsSortedFunc(pages, func(x, y adminapi.Lockout) int { return y.LastAt.Compare(x.LastAt) }), "the latest first")
	assert.ElementsMatch(t, []string{" 192.0.2.1/32 1 false", "bob 192.0.2.1/32 1 false", "bob 192.0.2.2/32 10 true", "ci 2001:db8::/64 1 false"}, places)

	var cleared adminapi.ClearedLockouts
	f.do("DELETE", "/users/bob/lockouts?network=192.0.2.2/32", "").decode(t, &cleared)
	assert.Equal(t, int64(10), cleared.Failures)
	f.do("DELETE", "/users/bob/lockouts", "").decode(t, &cleared)
	assert.Equal(t, int64(1), cleared.Failures)
	assert.Equal(t, http.StatusUnprocessableEntity, f.do("DELETE", "/users/bob/lockouts?network=home", "").StatusCode)
	assert.Equal(t, http.StatusNotFound, f.do("DELETE", "/users/nobody/lockouts", "").StatusCode)
}

func TestPasswordRules(t *testing.T) {
	f := populated(t)
	file := filepath.Join(t.TempDir(), "refused.txt")
	require.NoError(t, os.WriteFile(file, []byte("Correct Horse Battery\n"), 0o600))
	rules, err := password.LoadRules(file)
	require.NoError(t, err)
	f.api.config.Passwords = rules
	for method, path := range map[string]string{"POST": "/users", "PUT": "/users/bob/password"} {
		body := `{"password":"correct horse battery"}`
		if method == "POST" {
			body = `{"name":"new","password":"correct horse battery"}`
		}
		got := f.do(method, path, body)
		assert.Equal(t, http.StatusUnprocessableEntity, got.StatusCode)
		assert.Contains(t, got.problem(t).Detail, "choose another")
	}
	for method, path := range map[string]string{"POST": "/users", "PUT": "/users/bob/password"} {
		body := `{"password":"another long password "}`
		if method == "POST" {
			body = `{"name":"new","password":"\tanother long password"}`
		}
		got := f.do(method, path, body)
		assert.Equal(t, http.StatusUnprocessableEntity, got.StatusCode, method)
		assert.Contains(t, got.problem(t).Detail, "docker login --password-stdin")
	}
	assert.Equal(t, http.StatusNoContent, f.do("PUT", "/users/bob/password", `{"password":"another long password"}`).StatusCode)
}
