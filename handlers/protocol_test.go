package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

const (
	alice  = "alice:correct horse battery"
	bob    = "bob:another long password"
	public = "repository:public/app:pull"
)

// withPeople makes the subjects that the cases are about.
func withPeople(t testing.TB) *fixture {
	f := newFixture(t)
	f.user("alice", "correct horse battery",
		"repository:team/app:pull", "repository:team/tool:pull,push", "namespace:a:push",
		"repository:team/bin:delete", "repository:host:5000/a/b:pull", "repository:own/app:*", "registry:catalog:*")
	f.user("bob", "another long password")
	f.user("gone", "password of the gone", "namespace:team:*")
	f.disable(subject.Ref{Kind: subject.User, Name: "gone"})
	f.user("admin", "password of the admin", "repository:**:*", "registry:catalog:*")
	f.grant(subject.Anonymous, public)
	return f
}

// TestCases are the cases of the protocol that are about one GET and its
// answer, by their numbers.
func TestCases(t *testing.T) {
	f := withPeople(t)
	for _, tc := range []struct {
		name        string
		credentials string
		query       []string
		subject     string
		opens       []string
	}{
		{"1 login without scope", alice, nil, "alice", nil},
		{"1 login with an empty scope", alice, []string{"scope="}, "alice", nil},
		{"2 login of docker", alice, []string{"account=alice", "client_id=docker", "offline_token=true"}, "alice", nil},
		{"4 anonymous, public", "", []string{"scope=repository:public/app:pull"}, "", []string{"repository:public/app:pull"}},
		{"4 anonymous, private", "", []string{"scope=repository:team/app:pull"}, "", nil},
		{"4 anonymous, push to public", "", []string{"scope=repository:public/app:pull,push"}, "", []string{"repository:public/app:pull"}},
		{"4 everyone may what anonymous may", bob, []string{"scope=repository:public/app:pull"}, "bob", []string{"repository:public/app:pull"}},
		{"6 less than asked", alice, []string{"scope=repository:team/app:pull,push"}, "alice", []string{"repository:team/app:pull"}},
		{
			"7 two parameters", alice,
			[]string{"scope=repository:team/app:pull", "scope=repository:team/tool:pull"},
			"alice",
			[]string{"repository:team/app:pull", "repository:team/tool:pull"},
		},
		{
			"7 one spaced value", alice,
			[]string{"scope=repository:team/app:pull repository:team/tool:pull"},
			"alice",
			[]string{"repository:team/app:pull", "repository:team/tool:pull"},
		},
		{
			"7 both mixed", alice,
			[]string{"scope=repository:team/app:pull repository:team/tool:pull", "scope=repository:team/tool:push"},
			"alice",
			[]string{"repository:team/app:pull", "repository:team/tool:pull,push"},
		},
		{"8 everything asked, all granted", alice, []string{"scope=repository:own/app:*"}, "alice", []string{"repository:own/app:pull,push,delete"}},
		{"8 everything asked, some granted", alice, []string{"scope=repository:team/tool:*"}, "alice", []string{"repository:team/tool:pull,push"}},
		{"9 catalog", alice, []string{"scope=registry:catalog:*"}, "alice", []string{"registry:catalog:*"}},
		{"9 catalog, not granted", bob, []string{"scope=registry:catalog:*"}, "bob", nil},
		{"9 anonymous catalog", "", []string{"scope=registry:catalog:*"}, "", nil},
		{"10 empty name", alice, []string{"scope=repository::pull"}, "alice", nil},
		{"11 class", alice, []string{"scope=repository(plugin):team/tool:pull,push repository:team/tool:pull"}, "alice", []string{"repository:team/tool:pull,push"}},
		{"12 host in the name", alice, []string{"scope=repository:host:5000/a/b:pull"}, "alice", []string{"repository:host:5000/a/b:pull"}},
		{"13 malformed beside good", alice, []string{"scope=repository:team/app", "scope=:::", "scope=repository:team/app:pull"}, "alice", []string{"repository:team/app:pull"}},
		{
			"14 mount from where nothing may be read", alice,
			[]string{"scope=repository:team/tool:pull,push", "scope=repository:secret/base:pull"},
			"alice",
			[]string{"repository:team/tool:pull,push"},
		},
		{"15 push alone", alice, []string{"scope=repository:team/tool:push"}, "alice", []string{"repository:team/tool:push"}},
		{"15 push alone, pull granted", alice, []string{"scope=repository:team/app:push"}, "alice", nil},
		{"16 delete alone", alice, []string{"scope=repository:team/bin:delete"}, "alice", []string{"repository:team/bin:delete"}},
		{"16 delete alone, push granted", alice, []string{"scope=repository:team/tool:delete"}, "alice", nil},
		{"17 below a namespace", alice, []string{"scope=repository:a/b/c:pull"}, "alice", []string{"repository:a/b/c:pull"}},
		{"17 beside a namespace", alice, []string{"scope=repository:ab/c:pull"}, "alice", nil},
		{"18 account of somebody else", alice, []string{"account=admin", "scope=repository:team/app:pull,push"}, "alice", []string{"repository:team/app:pull"}},
		{"18 account without credentials", "", []string{"account=admin", "scope=repository:team/app:pull"}, "", nil},
		{"wildcards are not echoed", alice, []string{"scope=repository:*:pull repository:**:pull repository:team/*:pull repository:a/**:pull"}, "alice", nil},
		{"docker 29", alice, []string{"scope=repository:team/tool:pull repository:team/tool:pull,push"}, "alice", []string{"repository:team/tool:pull,push"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fixture{TB: t, server: f.server, store: f.store, ring: f.ring}
			w := f.get(tc.credentials, append([]string{"service=" + service}, tc.query...)...)
			c, opens := f.token(w)
			assert.Equal(t, tc.subject, c.Subject)
			assert.Equal(t, tc.opens, opens)
			assert.NotNil(t, c.Access, "access is null")
			assert.Equal(t, jwt.ClaimStrings{service}, c.Audience)
			assert.NotContains(t, w.Body.String(), "refresh_token", "a refresh token that no operator enabled")
		})
	}
}

// TestRefusals are the cases of the protocol that end in an error.
func TestRefusals(t *testing.T) {
	f := withPeople(t)
	const pull = "scope=repository:public/app:pull"
	forService := "service=" + service
	for _, tc := range []struct {
		name    string
		request *http.Request
		status  int
		says    string
	}{
		{"3 wrong password", tokenGET("alice:wrong", forService, pull), 401, "invalid username or password, or the user is disabled"},
		{"3 unknown user", tokenGET("nobody:correct horse battery", forService, pull), 401, "invalid username or password, or the user is disabled"},
		{"3 disabled user", tokenGET("gone:password of the gone", forService, pull), 401, "invalid username or password, or the user is disabled"},
		{"3 group", tokenGET("authenticated:x", forService, pull), 401, "invalid username or password, or the user is disabled"},
		{"3 anonymous by name", tokenGET("anonymous:", forService, pull), 401, "invalid username or password, or the user is disabled"},
		{"5 anonymous login", tokenGET("", forService), 401, "log in"},
		{"5 anonymous login with account", tokenGET("", forService, "account=alice"), 401, "log in"},
		{"19 unknown service", tokenGET(alice, "service=other.example.com", pull), 400, `"other.example.com"`},
		{"19 names what to configure", tokenGET(alice, "service=other.example.com", pull), 400, "or set REGISTRY_AUTH_TOKEN_SERVICE at the registry to the name that it has there"},
		{"19 missing service", tokenGET(alice, pull), 400, "REGISTRY_AUTH_TOKEN_SERVICE"},
		{"19 empty service", tokenGET(alice, "service=", pull), 400, "REGISTRY_AUTH_TOKEN_SERVICE"},
		{"19 two services", tokenGET(alice, forService, "service="+zotService, pull), 400, "2 times"},
		{"25 empty user", tokenGET(":some refresh token", forService, pull), 401, "invalid username or password, or the user is disabled"},
		{"25 empty user and password", tokenGET(":", forService, pull), 401, "invalid username or password, or the user is disabled"},
		{"28 password cut at 72 bytes", tokenGET("alice:"+strings.Repeat("x", 73), forService, pull), 401, "invalid"},
		{"29 a thousand scopes in one value", tokenGET(alice, forService, "scope="+manyScopes(1000, "r")), 400, "too many scopes"},
		{"29 65 parameters", tokenGET(alice, append([]string{forService}, scopeParameters(65)...)...), 400, "too many scopes"},
		{"29 a long query", tokenGET(alice, forService, "scope=repository:"+strings.Repeat("a", 17<<10)+":pull"), 400, "16 KB"},
		{"malformed query", httptest.NewRequest(http.MethodGet, tokenPath+"?service=%zz", nil), 400, "malformed query"},
		{"malformed Basic", withHeader(tokenGET("", forService, pull), "Authorization", "Basic !!!"), 401, "malformed Authorization"},
		{"Basic without colon", withHeader(tokenGET("", forService, pull), "Authorization", "Basic YWxpY2U="), 401, "malformed Authorization"},
		{"another scheme", withHeader(tokenGET("", forService, pull), "Authorization", "Bearer x"), 401, "malformed Authorization"},
		{"credentials twice", withHeader(tokenGET(alice, forService, pull), "Authorization", "Basic Ym9iOng="), 401, "malformed Authorization"},
		{"PUT", httptest.NewRequest(http.MethodPut, tokenPath+"?"+forService, nil), 405, "GET and POST"},
		{"DELETE", httptest.NewRequest(http.MethodDelete, tokenPath+"?"+forService, nil), 405, "GET and POST"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fixture{TB: t, server: f.server, store: f.store, ring: f.ring}
			w := f.do(tc.request)
			says := f.refused(w, tc.status)
			assert.Contains(t, says, tc.says)
			if tc.status == http.StatusMethodNotAllowed {
				assert.NotEmpty(t, w.Header().Get("Allow"), "405 without Allow")
			}
		})
	}
}

func manyScopes(n int, name string) string {
	scopes := make([]string, n)
	for i := range scopes {
		scopes[i] = fmt.Sprintf("repository:%s%d:*", name, i)
	}
	return strings.Join(scopes[:min(n, 600)], " ") // below the bound on the query
}

func scopeParameters(n int) []string {
	parameters := make([]string, n)
	for i := range parameters {
		parameters[i] = fmt.Sprintf("scope=repository:r%d:pull", i)
	}
	return parameters
}

func withHeader(r *http.Request, name, value string) *http.Request {
	r.Header.Add(name, value)
	return r
}

func TestCase3SameBody(t *testing.T) {
	f := withPeople(t)
	bodies := map[string]string{}
	for _, credentials := range []string{"alice:wrong", "nobody:wrong", "gone:password of the gone", "gone:wrong", "not a name:wrong"} {
		bodies[f.get(credentials, "service="+service).Body.String()] = credentials
	}
	assert.Len(t, bodies, 1, "who guesses can tell apart")
}

// TestCase3SameTime compares the fastest of several answers in each class. An
// unknown user that costs no hash would be faster by a factor of a hundred.
func TestCase3SameTime(t *testing.T) {
	f := withPeople(t)
	f.subject(store.NewSubject{Ref: subject.Ref{Kind: subject.Robot, Name: "ci"}})
	attempts := map[string]string{
		"known": "alice:wrong password", "unknown": "nobody:wrong password", "disabled": "gone:password of the gone",
		"robot": "ci:wrong password", "no name": "A B:wrong password",
	}
	// The fastest of several, since a busy machine makes any of them slow.
	fastest := map[string]time.Duration{}
	apart := func() (names []string) {
		known := fastest["known"]
		for name, took := range fastest {
			if took < known/3 || took > 3*known {
				names = append(names, name)
			}
		}
		return names
	}
	const least, most = 7, 50
	addresses := 0
	for round := 0; round < least || len(apart()) > 0 && round < most; round++ {
		for name, credentials := range attempts {
			r := tokenGET(credentials, "service="+service)
			// From one address, they would be slowed down.
			addresses++
			r.RemoteAddr = fmt.Sprintf("198.51.%d.%d:4000", addresses/250, addresses%250)
			began := time.Now()
			f.do(r)
			took := time.Since(began)
			if best, ok := fastest[name]; !ok || took < best {
				fastest[name] = took
			}
		}
	}
	for _, name := range apart() {
		t.Errorf("%s takes %v, a known user %v", name, fastest[name], fastest["known"])
	}
}

func TestCase28WholePasswordCounts(t *testing.T) {
	f := newFixture(t)
	long := strings.Repeat("0123456789", 10)
	for name, pw := range map[string]string{"colons": "a:b:c:d:e:f:g:h", "unicode": "pässwörd ✓ 密码", "long": long} {
		f.user(name, pw)
		w := f.get(name+":"+pw, "service="+service)
		assert.Equal(t, http.StatusOK, w.Code, "%s: %s", name, w.Body)
	}
	for _, wrong := range []string{"colons:a", "colons:a:b:c:d:e:f:g", "unicode:pässwörd ✓ 密", "long:" + long[:72], "long:" + long[:99] + "x"} {
		assert.Equal(t, http.StatusUnauthorized, f.get(wrong, "service="+service).Code, wrong)
	}
}

func TestCase29BoundedAnswer(t *testing.T) {
	f := withPeople(t)
	w := f.get("admin:password of the admin", append([]string{"service=" + service}, scopeParameters(64)...)...)
	_, opens := f.token(w)
	assert.Len(t, opens, 64, "64 scopes open")
	size := w.Body.Len()
	assert.LessOrEqual(t, size, 32<<10, "an answer of %d bytes: crane reads at most 64 KiB, and proxies cap headers", size)
}

// TestMistakes are the mistakes of other token servers, each of which once
// opened a registry.
func TestMistakes(t *testing.T) {
	f := withPeople(t)
	group := subject.Ref{Kind: subject.Group, Name: "dev"}
	f.subject(store.NewSubject{Ref: group}, "namespace:foo:pull")
	_, err := f.store.AddMember(t.Context(), group, subject.Ref{Kind: subject.User, Name: "bob"})
	require.NoError(t, err)
	f.grant(subject.Authenticated, "namespace:{username}:push")
	f.grant(subject.Anonymous, "namespace:{username}:push")

	opens := func(t *testing.T, credentials, scope string, more ...string) []string {
		t.Helper()
		f := &fixture{TB: t, server: f.server, store: f.store, ring: f.ring}
		_, got := f.token(f.get(credentials, append([]string{"service=" + service, "scope=" + scope}, more...)...))
		return got
	}
	for _, tc := range []struct {
		name, credentials, scope string
		more                     []string
		want                     []string
	}{
		{"rights of the account parameter", bob, "repository:team/app:pull", []string{"account=alice"}, nil},
		{"a namespace as a string prefix", bob, "repository:foobar/x:pull", nil, nil},
		{"a namespace itself", bob, "repository:foo/x:pull", nil, []string{"repository:foo/x:pull"}},
		{"pull asked, push granted too", alice, "repository:team/tool:pull", nil, []string{"repository:team/tool:pull"}},
		{"wildcards echoed", "admin:password of the admin", "repository:**:* repository:*:pull", nil, nil},
		{"a name that climbs", bob, "repository:foo/../team/app:pull", nil, nil},
		{"another user's own namespace", bob, "repository:alice/app:pull", nil, nil},
		{"an own namespace for nobody", "", "repository:anonymous/app:pull,push", nil, nil},
		{"my own namespace", bob, "repository:bob/app:push", nil, []string{"repository:bob/app:push"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, opens(t, tc.credentials, tc.scope, tc.more...))
		})
	}

	t.Run("granting bob downgrades alice", func(t *testing.T) {
		f.grant(subject.Ref{Kind: subject.User, Name: "bob"}, "repository:team/tool:pull")
		want := []string{"repository:team/tool:pull,push"}
		assert.Equal(t, want, opens(t, alice, "repository:team/tool:pull,push"), "alice")
	})
	t.Run("only the first scope read", func(t *testing.T) {
		assert.Len(t, opens(t, alice, "repository:nothing:pull", "scope=repository:team/app:pull"), 1, "opens")
	})
	t.Run("rights as they were", func(t *testing.T) {
		bobRef := subject.Ref{Kind: subject.User, Name: "bob"}
		require.NoError(t, f.store.RemoveMember(t.Context(), group, bobRef))
		assert.Empty(t, opens(t, bob, "repository:foo/x:pull"), "a former member may")
		f.disable(bobRef)
		assert.Equal(t, http.StatusUnauthorized, f.get(bob, "service="+service).Code, "a disabled user")
	})
}

// TestZot are the two ways in which zot differs.
func TestZot(t *testing.T) {
	f := withPeople(t)
	for _, tc := range []struct {
		name, credentials, scope string
		want                     []string
	}{
		{"catalog", alice, "repository::pull", []string{"repository::pull"}},
		{"catalog, more asked", alice, "repository::*", []string{"repository::pull"}},
		{"catalog, not granted", bob, "repository::pull", nil},
		{"star expanded", alice, "repository:own/app:*", []string{"repository:own/app:pull,push,delete"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fixture{TB: t, server: f.server, store: f.store, ring: f.ring}
			_, got := f.token(f.get(tc.credentials, "service="+zotService, "scope="+tc.scope))
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestNoDatabase(t *testing.T) {
	f := withPeople(t)
	require.NoError(t, f.store.Close())
	says := f.refused(f.get(alice, "service="+service), http.StatusServiceUnavailable)
	assert.NotContains(t, says, "sql", "an inner error reached the client")
}

func FuzzToken(f *testing.F) {
	f.Add("service=registry.example.com&scope=repository:public/app:pull", "Basic YWxpY2U6eA==")
	f.Add("scope=::&scope=%20&service=registry.example.com", "")
	shared := withPeople(f)
	f.Fuzz(func(t *testing.T, query, authorization string) {
		r := fromPeer(httptest.NewRequest(http.MethodGet, tokenPath, nil))
		r.URL.RawQuery = query
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		w := httptest.NewRecorder()
		shared.server.Handler(tokenPath).ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized:
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		require.True(t, json.Valid(w.Body.Bytes()), "not JSON: %q", w.Body)
	})
}
