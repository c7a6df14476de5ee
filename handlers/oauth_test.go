package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/auth/passwords"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

var (
	aliceRef = subject.Ref{Kind: subject.User, Name: "alice"}
	ciRef    = subject.Ref{Kind: subject.Robot, Name: "ci"}
)

// with changes what an operator may choose.
func (f *fixture) with(options auth.Options) {
	f.Helper()
	changed, err := f.server.config.Auth.With(options)
	require.NoError(f, err)
	f.server.config.Auth = changed
}

// in is the fixture for a part of a test.
func (f *fixture) in(t *testing.T) *fixture {
	return &fixture{TB: t, server: f.server, store: f.store, ring: f.ring}
}

// form makes the fields of a form from "name=value".
func form(fields ...string) string {
	values := url.Values{}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		values.Add(name, value)
	}
	return values.Encode()
}

func tokenPOST(body, contentType string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, tokenPath, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

const formType = "application/x-www-form-urlencoded"

// post asks for a token; fields are "name=value".
func (f *fixture) post(fields ...string) *httptest.ResponseRecorder {
	f.Helper()
	return f.do(tokenPOST(form(fields...), formType))
}

var asAlice = []string{"grant_type=password", "service=" + service, "username=alice", "password=correct horse battery", "client_id=test"}

// answer is what a client reads beside the token.
type answer struct {
	Scope        *string
	RefreshToken string `json:"refresh_token"`
}

func (f *fixture) answer(w *httptest.ResponseRecorder) answer {
	f.Helper()
	f.token(w)
	var a answer
	require.NoError(f, json.Unmarshal(w.Body.Bytes(), &a))
	return a
}

func TestPostPassword(t *testing.T) {
	f := withPeople(t)
	for _, tc := range []struct {
		name, contentType string
		fields            []string
		opens             []string
		scope             string
	}{
		{"20 plain", formType, []string{"scope=repository:team/app:pull,push"}, []string{"repository:team/app:pull"}, "repository:team/app:pull"},
		{"20 with charset", formType + "; charset=utf-8", []string{"scope=repository:team/app:pull"}, []string{"repository:team/app:pull"}, "repository:team/app:pull"},
		{
			"21 two scope fields", formType,
			[]string{"scope=repository:team/app:pull", "scope=repository:team/tool:pull,push"},
			[]string{"repository:team/app:pull", "repository:team/tool:pull,push"},
			"repository:team/app:pull repository:team/tool:pull,push",
		},
		{
			"21 two scope fields, one spaced", formType,
			[]string{"scope=repository:team/app:pull registry:catalog:*", "scope=repository:team/tool:pull"},
			[]string{"repository:team/app:pull", "registry:catalog:*", "repository:team/tool:pull"},
			"repository:team/app:pull registry:catalog:* repository:team/tool:pull",
		},
		{"login", formType, nil, nil, ""},
		{"nothing granted", formType, []string{"scope=repository:secret:pull"}, nil, ""},
		{"offline, not enabled", formType, []string{"access_type=offline"}, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := f.in(t)
			w := f.do(tokenPOST(form(append(slices.Clone(asAlice), tc.fields...)...), tc.contentType))
			c, opens := f.token(w)
			assert.Equal(t, "alice", c.Subject)
			assert.Equal(t, tc.opens, opens)
			a := f.answer(w)
			require.NotNil(t, a.Scope, "answer %s", w.Body)
			assert.Equal(t, tc.scope, *a.Scope, "answer %s", w.Body)
			assert.Empty(t, a.RefreshToken, "answer %s", w.Body)
		})
	}
}

func TestPostRefusals(t *testing.T) {
	f := withPeople(t)
	with := func(fields ...string) *http.Request {
		return tokenPOST(form(append(slices.Clone(asAlice), fields...)...), formType)
	}
	only := func(fields ...string) *http.Request { return tokenPOST(form(fields...), formType) }
	inQuery := tokenPOST(form("grant_type=password", "service="+service), formType)
	inQuery.URL.RawQuery = form(asAlice...)
	for _, tc := range []struct {
		name    string
		request *http.Request
		status  int
		code    string
		says    string
	}{
		{"3 wrong password", only("grant_type=password", "service="+service, "username=alice", "password=wrong"), 401, "invalid_grant", "invalid username or password, or the user is disabled"},
		{"3 disabled user", only("grant_type=password", "service="+service, "username=gone", "password=password of the gone"), 401, "invalid_grant", "invalid username or password, or the user is disabled"},
		{"19 unknown service", only("grant_type=password", "service=other", "username=alice", "password=correct horse battery"), 400, "invalid_request", `"other"`},
		{"19 missing service", only("grant_type=password", "username=alice", "password=correct horse battery"), 400, "invalid_request", "REGISTRY_AUTH_TOKEN_SERVICE"},
		{"26 authorization_code", only("grant_type=authorization_code", "service="+service, "code=x"), 400, "unsupported_grant_type", "password"},
		{"26 client_credentials without anything else", only("grant_type=client_credentials"), 400, "unsupported_grant_type", `"client_credentials"`},
		{"refresh tokens not enabled", only("grant_type=refresh_token", "service="+service, "refresh_token=x"), 400, "invalid_grant", "what docker login stored is not valid any more: log in again"},
		{"27 credentials in the query", inQuery, 400, "invalid_request", "username"},
		{"27 everything in the query", httptest.NewRequest(http.MethodPost, tokenPath+"?"+form(asAlice...), nil), 400, "invalid_request", formType},
		{"29 a thousand scopes", with("scope=" + manyScopes(1000, "r")), 400, "invalid_request", "too many scopes"},
		{"29 a large body", with("scope=" + strings.Repeat("x", 65<<10)), 400, "invalid_request", "64 KB"},
		{"no grant", only("service=" + service), 400, "invalid_request", "grant_type"},
		{"no username", only("grant_type=password", "service="+service, "password=x"), 400, "invalid_request", "username"},
		{"two usernames", with("username=bob"), 400, "invalid_request", "2 times"},
		{"two grants", with("grant_type=refresh_token"), 400, "invalid_request", "2 times"},
		{"malformed form", tokenPOST("grant_type=password&password=%zzsecret", formType), 400, "invalid_request", "malformed form"},
		{"JSON", tokenPOST(`{"grant_type":"password"}`, "application/json"), 400, "invalid_request", formType},
		{"no content type", tokenPOST(form(asAlice...), ""), 400, "invalid_request", formType},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := f.in(t)
			w := f.do(tc.request)
			says := f.refused(w, tc.status)
			assert.Contains(t, says, tc.says)
			var body errorBody
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
			assert.Equal(t, tc.code, body.Error)
			assert.NotContains(t, w.Body.String(), "secret", "the answer repeats a password: %s", w.Body)
			assert.NotContains(t, w.Body.String(), "correct horse", "the answer repeats a password: %s", w.Body)
		})
	}
}

func TestRefreshTokens(t *testing.T) {
	f := withPeople(t)
	f.with(auth.Options{RefreshTokens: true})
	const wanted = "scope=repository:team/app:pull,push"
	forService := "service=" + service
	byGet := f.answer(f.get(alice, forService, "offline_token=true", "client_id=docker", "account=alice")).RefreshToken
	byPost := f.answer(f.post(append(slices.Clone(asAlice), "access_type=offline")...)).RefreshToken
	require.NotEmpty(t, byGet)
	require.NotEmpty(t, byPost)
	require.NotEqual(t, byPost, byGet)
	refresh := func(f *fixture, token, service string, more ...string) *httptest.ResponseRecorder {
		f.Helper()
		return f.post(append([]string{"grant_type=refresh_token", "service=" + service, "refresh_token=" + token}, more...)...)
	}

	t.Run("2 not asked for", func(t *testing.T) {
		f := f.in(t)
		for name, w := range map[string]*httptest.ResponseRecorder{
			"GET": f.get(alice, forService), "POST": f.post(asAlice...), "GET offline_token=false": f.get(alice, forService, "offline_token=false"),
			"anonymous": f.get("", forService, "offline_token=true", "scope=repository:public/app:pull"),
		} {
			assert.Empty(t, f.answer(w).RefreshToken, name)
		}
	})
	t.Run("22 the same refresh token", func(t *testing.T) {
		f := f.in(t)
		for _, token := range []string{byGet, byPost, byGet} {
			w := refresh(f, token, service, wanted, "client_id=docker")
			c, opens := f.token(w)
			a := f.answer(w)
			assert.Equal(t, token, a.RefreshToken, "%s", w.Body)
			assert.Equal(t, "repository:team/app:pull", *a.Scope, "%s", w.Body)
			assert.Equal(t, "alice", c.Subject, "%s", w.Body)
			assert.Equal(t, []string{"repository:team/app:pull"}, opens, "%s", w.Body)
		}
	})
	t.Run("22 rights as they are now", func(t *testing.T) {
		f := f.in(t)
		f.grant(aliceRef, "repository:team/app:push")
		_, opens := f.token(refresh(f, byGet, service, wanted))
		assert.Equal(t, []string{"repository:team/app:pull,push"}, opens)
		_, err := f.store.Revoke(t.Context(), aliceRef, access.Permission{Type: access.Repository, Name: "team/app", Actions: access.All})
		require.NoError(t, err)
		_, opens = f.token(refresh(f, byGet, service, wanted))
		assert.Empty(t, opens)
	})
	t.Run("23 at another service", func(t *testing.T) {
		f := f.in(t)
		f.refused(refresh(f, byGet, zotService), http.StatusBadRequest)
		f.refused(f.get(":"+byGet, "service="+zotService), http.StatusUnauthorized)
	})
	t.Run("24 garbage", func(t *testing.T) {
		f := f.in(t)
		for _, token := range []string{"x", byGet + "x", "correct horse battery"} {
			f.refused(refresh(f, token, service), http.StatusBadRequest)
		}
	})
	t.Run("25 as a password", func(t *testing.T) {
		f := f.in(t)
		for _, username := range []string{"", "<token>", "alice"} {
			c, _ := f.token(f.get(username+":"+byGet, forService))
			assert.Equal(t, "alice", c.Subject, "as %q", username)
		}
		f.refused(f.get("bob:"+byGet, forService), http.StatusUnauthorized)
	})
	t.Run("listed", func(t *testing.T) {
		tokens, err := f.store.RefreshTokens(t.Context(), aliceRef)
		require.NoError(t, err)
		require.Len(t, tokens, 2)
		clients := []string{tokens[0].Client, tokens[1].Client}
		slices.Sort(clients)
		assert.Equal(t, []string{"docker", "test"}, clients, "listed %+v", tokens)
		assert.Equal(t, "192.0.2.1", tokens[0].Address, "listed %+v", tokens)
		assert.Equal(t, service, tokens[0].Service, "listed %+v", tokens)
	})
	t.Run("24 revoked", func(t *testing.T) {
		f := f.in(t)
		id := strings.Split(byPost, "_")[1]
		_, _, err := f.store.RevokeRefreshToken(t.Context(), id, false)
		require.NoError(t, err)
		w := refresh(f, byPost, service)
		assert.Contains(t, f.refused(w, http.StatusBadRequest), "log in again", "answer %s", w.Body)
		assert.Contains(t, w.Body.String(), `"error":"invalid_grant"`, "answer %s", w.Body)
		assert.Contains(t, w.Body.String(), `"code":"UNAUTHORIZED"`, "answer %s", w.Body)
		f.refused(f.get(":"+byPost, forService), http.StatusUnauthorized)
	})
	t.Run("24 disabled", func(t *testing.T) {
		f := f.in(t)
		f.disable(aliceRef)
		f.refused(refresh(f, byGet, service), http.StatusBadRequest)
	})
	t.Run("switched off again", func(t *testing.T) {
		f := f.in(t)
		f.with(auth.Options{})
		// docker shows the message; containerd tries GET with the token after 400.
		for name, says := range map[string]string{
			"POST": f.refused(refresh(f, byGet, service), http.StatusBadRequest),
			"GET":  f.refused(f.get(":"+byGet, forService), http.StatusUnauthorized),
		} {
			assert.Contains(t, says, "log in again", name)
			assert.NotContains(t, says, "use password", name)
		}
	})
}

func TestAccessTokens(t *testing.T) {
	f := withPeople(t)
	f.with(auth.Options{RefreshTokens: true, RobotTokens: 10})
	f.subject(store.NewSubject{Ref: ciRef}, "repository:team/*:pull,push", "registry:catalog:*")
	token := func(r auth.TokenRequest) string {
		t.Helper()
		_, made, err := f.server.config.Auth.CreateAccessToken(t.Context(), r)
		require.NoError(t, err)
		return made.Reveal()
	}
	scopes := func(texts ...string) (all []access.Permission) {
		for _, text := range texts {
			p, err := access.ParsePermission(text)
			require.NoError(t, err)
			all = append(all, p)
		}
		return all
	}
	network := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tc := range []struct {
		name    string
		request auth.TokenRequest
		scope   string
		opens   []string
	}{
		{"all of the owner's rights", auth.TokenRequest{Owner: ciRef, Name: "a"}, "repository:team/app:pull,push registry:catalog:*", []string{"repository:team/app:pull,push", "registry:catalog:*"}},
		{"narrowed to pull", auth.TokenRequest{Owner: ciRef, Name: "b", Scopes: scopes("repository:team/*:pull")}, "repository:team/app:pull,push registry:catalog:*", []string{"repository:team/app:pull"}},
		{"narrowed to one repository", auth.TokenRequest{Owner: ciRef, Name: "c", Scopes: scopes("repository:team/tool:push")}, "repository:team/app:pull repository:team/tool:pull,push", []string{"repository:team/tool:pull,push"}},
		{"never widened", auth.TokenRequest{Owner: ciRef, Name: "d", Scopes: scopes("repository:**:*")}, "repository:team/app:* repository:secret:pull", []string{"repository:team/app:pull,push"}},
		{"public, outside of its scopes", auth.TokenRequest{Owner: ciRef, Name: "e", Scopes: scopes("repository:team/*:pull")}, "repository:public/app:pull", nil},
		{"of a user", auth.TokenRequest{Owner: aliceRef, Name: "a", Scopes: scopes("namespace:a:pull")}, "repository:a/b/c:pull,push", []string{"repository:a/b/c:pull"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, secret := f.in(t), token(tc.request)
			c, opens := f.token(f.get(tc.request.Owner.Name+":"+secret, "service="+service, "scope="+tc.scope))
			assert.Equal(t, tc.request.Owner.Name, c.Subject, "GET")
			assert.Equal(t, tc.opens, opens, "GET")
			w := f.post("grant_type=password", "service="+service, "username="+tc.request.Owner.Name, "password="+secret, "scope="+tc.scope, "access_type=offline")
			_, opens = f.token(w)
			assert.Equal(t, tc.opens, opens, "POST opens")
			assert.Empty(t, f.answer(w).RefreshToken, "a refresh token, which has no limits, for an access token")
		})
	}
	t.Run("catalog of zot", func(t *testing.T) {
		f := f.in(t)
		for name, tc := range map[string]struct {
			scope string
			opens int
		}{"no-catalog": {"repository:**:pull", 0}, "catalog": {"registry:catalog:*", 1}} {
			secret := token(auth.TokenRequest{Owner: ciRef, Name: name, Scopes: scopes(tc.scope)})
			_, opens := f.token(f.get("ci:"+secret, "service="+zotService, "scope=repository::pull"))
			assert.Len(t, opens, tc.opens, tc.scope)
		}
	})
	t.Run("network", func(t *testing.T) {
		f, secret := f.in(t), token(auth.TokenRequest{Owner: ciRef, Name: "network", Networks: network})
		for address, status := range map[string]int{"10.1.2.3:4000": 200, "[::ffff:10.1.2.3]:4000": 200, "192.0.2.1:4000": 401, "@": 401} {
			r := tokenGET("ci:"+secret, "service="+service)
			r.RemoteAddr = address
			assert.Equal(t, status, f.do(r).Code, "from %s", address)
		}
		r := tokenGET("ci:"+secret, "service="+service)
		r = r.WithContext(auth.WithOrigin(r.Context(), auth.Origin{Address: netip.MustParseAddr("10.1.2.3")}))
		assert.Equal(t, http.StatusOK, f.do(r).Code, "behind a proxy")
	})
}

// TestNameInCapitals shows that Alice logs in as alice, whose name is in the
// token.
func TestNameInCapitals(t *testing.T) {
	f := withPeople(t)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"GET":  f.do(tokenGET("Alice:correct horse battery", "service="+service)),
		"POST": f.do(tokenPOST(form("grant_type=password", "service="+service, "username=ALICE", "password=correct horse battery"), formType)),
	} {
		c, _ := f.token(w)
		assert.Equal(t, "alice", c.Subject, "%s: the token is one", name)
	}
}

func TestLockout(t *testing.T) {
	f := withPeople(t)
	f.with(auth.Options{Passwords: passwords.Options{LockoutFailures: 3}})
	from := func(r *http.Request, address string) *httptest.ResponseRecorder {
		t.Helper()
		r.RemoteAddr = address + ":4000"
		return f.do(r)
	}
	get := func(credentials, address string) *httptest.ResponseRecorder {
		t.Helper()
		return from(tokenGET(credentials, "service="+service), address)
	}
	for i := range 3 {
		wrong := fmt.Sprint("wrong", i)
		// What containerd, BuildKit and helm do with one wrong password.
		f.refused(from(tokenPOST(form("grant_type=password", "service="+service, "username=alice", "password="+wrong), formType), "198.51.100.1"), http.StatusUnauthorized)
		f.refused(get("alice:"+wrong, "198.51.100.1"), http.StatusUnauthorized)
	}
	assert.Contains(t, f.refused(get(alice, "198.51.100.1"), http.StatusUnauthorized), "try again in 15 minutes", "locked out")
	f.token(get(alice, "198.51.100.2"))
	f.token(get(bob, "198.51.100.1"))
}

func FuzzTokenForm(f *testing.F) {
	f.Add(form(append(slices.Clone(asAlice), "scope=repository:a:pull repository:b:push")...), formType)
	f.Add("grant_type=refresh_token&refresh_token=x&service="+service, formType+"; charset=utf-8")
	f.Add("grant_type=%zz", formType)
	shared := newFixture(f)
	shared.with(auth.Options{RefreshTokens: true})
	f.Fuzz(func(t *testing.T, body, contentType string) {
		var request tokenRequest
		fields, err := readForm(tokenPOST(body, contentType))
		if err == nil {
			request, err = shared.server.parseTokenForm(fields)
		}
		if err != nil {
			var told *refusal
			require.ErrorAs(t, err, &told)
			require.Equal(t, http.StatusBadRequest, told.status)
			require.NotEmpty(t, told.message)
			return
		}
		given := request.credentials
		require.True(t, given.given, "%+v", request)
		require.NotEqual(t, given.username == "" || given.password == "", given.refreshToken == "", "%+v", request)
		require.NotEmpty(t, request.service.Name, "%+v", request)
		require.LessOrEqual(t, len(request.scopes), access.MaxScopes, "%+v", request)
	})
}
