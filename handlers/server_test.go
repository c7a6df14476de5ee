package handlers

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/internal/token"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

const (
	service     = "registry.example.com"
	zotService  = "zot.example.com"
	jwksService = "jwks.example.com"
)

// fixture is a server over a real store and key ring.
type fixture struct {
	testing.TB
	server *Server
	store  *store.Store
	ring   *pki.Ring
	path   string // of the database
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	logger := zap.NewNop()
	if _, is := t.(*testing.T); is { // a fuzz test must not log inside of its target
		logger = zaptest.NewLogger(t)
	}
	path := filepath.Join(t.TempDir(), "dockit.sqlite")
	s, err := store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: path}, logger)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	ring, err := pki.NewGeneratedRing(t.Context(), s, pki.Options{
		Services: []string{service}, KidOnly: []string{jwksService}, Own: []string{zotService},
	}, logger)
	require.NoError(t, err)
	t.Cleanup(ring.Close)
	known := cache.New(s, logger)
	known.Start()
	t.Cleanup(known.Close)
	authenticator := auth.New(s, known, logger)
	t.Cleanup(authenticator.Close)
	server, err := New(Config{
		Store: s, Ring: ring, Auth: authenticator, Issuer: "dockit", Logger: logger, Metrics: NewMetrics(),
		Services: []Service{
			{Name: service, Profile: token.ProfileX5C, TokenTTL: 5 * time.Minute},
			{Name: zotService, Profile: token.ProfileZot, TokenTTL: 5 * time.Minute},
			{Name: jwksService, Profile: token.ProfileJWKS, TokenTTL: time.Minute},
		},
		Admin: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
		Page:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
	})
	require.NoError(t, err)
	return &fixture{TB: t, server: server, store: s, ring: ring, path: path}
}

// user makes a user with a password and permissions.
func (f *fixture) user(name, pw string, permissions ...string) {
	f.Helper()
	hash, err := password.Hash(pw)
	require.NoError(f, err)
	f.subject(store.NewSubject{Ref: subject.Ref{Kind: subject.User, Name: name}, PasswordHash: hash}, permissions...)
}

func (f *fixture) subject(n store.NewSubject, permissions ...string) {
	f.Helper()
	_, err := f.store.CreateSubject(f.Context(), n)
	require.NoError(f, err)
	f.grant(n.Ref, permissions...)
}

func (f *fixture) grant(to subject.Ref, permissions ...string) {
	f.Helper()
	for _, text := range permissions {
		p, err := access.ParsePermission(text)
		require.NoError(f, err)
		_, err = f.store.Grant(f.Context(), to, p)
		require.NoError(f, err)
	}
}

func (f *fixture) disable(ref subject.Ref) {
	f.Helper()
	yes := true
	_, err := f.store.UpdateSubject(f.Context(), ref, store.SubjectChange{Disabled: &yes}, 0)
	require.NoError(f, err)
}

// fromPeer makes a request one of the other end of its connection, as a server
// without proxies does, unless it has an origin.
func fromPeer(r *http.Request) *http.Request {
	if auth.OriginOf(r.Context()) != (auth.Origin{}) {
		return r
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // unknown when it is none
	return r.WithContext(auth.WithOrigin(r.Context(), auth.Origin{Address: peer.Addr(), Client: r.UserAgent()}))
}

func (f *fixture) do(r *http.Request) *httptest.ResponseRecorder {
	f.Helper()
	r = fromPeer(r)
	route, found := AllEndpoints.Route(r.URL.Path)
	require.True(f, found, "%s %s is not routed", r.Method, r.URL.Path)
	w := httptest.NewRecorder()
	f.server.Handler(route).ServeHTTP(w, r)
	return w
}

// get asks for a token; credentials are "name:password" or empty.
func (f *fixture) get(credentials string, query ...string) *httptest.ResponseRecorder {
	f.Helper()
	return f.do(tokenGET(credentials, query...))
}

func tokenGET(credentials string, query ...string) *http.Request {
	values := url.Values{}
	for _, one := range query {
		key, value, _ := strings.Cut(one, "=")
		values.Add(key, value)
	}
	r := httptest.NewRequest(http.MethodGet, tokenPath+"?"+values.Encode(), nil)
	if credentials != "" {
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))
	}
	return r
}

// claims are what a registry reads.
type claims struct {
	jwt.RegisteredClaims
	Access []entry `json:"access"`
}

type entry struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// token checks an answer as a client and as a registry would, and returns what
// the token opens as "type:name:actions".
func (f *fixture) token(w *httptest.ResponseRecorder) (claims, []string) {
	f.Helper()
	require.Equal(f, http.StatusOK, w.Code, "%s", w.Body)
	var fields map[string]json.RawMessage
	var body struct {
		Token, AccessToken string
		ExpiresIn          int       `json:"expires_in"`
		IssuedAt           time.Time `json:"issued_at"`
	}
	for _, into := range []any{&fields, &body} {
		require.NoError(f, json.Unmarshal(w.Body.Bytes(), into))
	}
	require.NotEmpty(f, string(fields["token"]), "token %s and access_token %s differ", fields["token"], fields["access_token"])
	require.Equal(f, string(fields["access_token"]), string(fields["token"]), "token %s and access_token %s differ", fields["token"], fields["access_token"])
	require.GreaterOrEqual(f, body.ExpiresIn, 60)
	require.LessOrEqual(f, body.IssuedAt, time.Now())
	require.Same(f, time.UTC, body.IssuedAt.Location())
	require.Equal(f, "no-store", w.Header().Get("Cache-Control"), "header %v", w.Header())
	require.Equal(f, "application/json", w.Header().Get("Content-Type"), "header %v", w.Header())
	var c claims
	parsed, err := jwt.ParseWithClaims(body.Token, &c, func(parsed *jwt.Token) (any, error) {
		for _, name := range []string{service, zotService, jwksService} {
			for _, key := range f.ring.KeySet(name).Keys {
				if key.KeyID == parsed.Header["kid"] {
					return key.Key, nil
				}
			}
		}
		return nil, jwt.ErrTokenUnverifiable
	}, jwt.WithIssuer("dockit"), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	require.NoError(f, err, "token does not verify")
	require.True(f, parsed.Valid, "token does not verify")
	var opens []string
	for _, a := range c.Access {
		opens = append(opens, a.Type+":"+a.Name+":"+strings.Join(a.Actions, ","))
	}
	return c, opens
}

// refused checks an error answer as every client would and returns its message.
func (f *fixture) refused(w *httptest.ResponseRecorder, status int) string {
	f.Helper()
	var body errorBody
	require.NoError(f, json.Unmarshal(w.Body.Bytes(), &body), "body %q", w.Body)
	require.Equal(f, status, w.Code, "%s", w.Body)
	require.Len(f, body.Errors, 1, "body lacks what a client shows: %s", w.Body)
	require.NotEmpty(f, body.Errors[0].Code, "body lacks what a client shows: %s", w.Body)
	require.NotEmpty(f, body.Errors[0].Message, "body lacks what a client shows: %s", w.Body)
	require.NotEmpty(f, body.Error, "body lacks what a client shows: %s", w.Body)
	require.Equal(f, "application/json", w.Header().Get("Content-Type"))
	require.NotEmpty(f, body.ErrorDescription, "body lacks what a client shows: %s", w.Body)
	require.Equal(f, w.Header().Get("WWW-Authenticate") != "", status == http.StatusUnauthorized, "WWW-Authenticate is %q at %d", w.Header().Get("WWW-Authenticate"), status)
	return body.Errors[0].Message
}

func TestRoute(t *testing.T) {
	f := newFixture(t)
	for _, tc := range []struct {
		path  string
		among Endpoints
		want  bool
	}{
		{"/v2/token", AllEndpoints, true},
		{"/v2/token", Token, true},
		{"/v2/token", Certs | Admin | Health, false},
		{"/v2/certs/pem", Certs, true},
		{"/v2/certs/jwks", Certs, true},
		{"/v2/certs/jws", Certs, true},
		{"/v2/certs/pem", Token, false},
		{"/dockit/api/v1/users", Admin, true},
		{"/dockit/api/v1/users", Token | Certs, false},
		{"/healthz", Health, true},
		{"/readyz", Health, true},
		{"/readyz", Token, false},
		// What belongs to a registry behind the same host.
		{"/v2/", AllEndpoints, false},
		{"/v2/token/", AllEndpoints, false},
		{"/v2/token/manifests/latest", AllEndpoints, false},
		{"/v2/certs/pem/tags/list", AllEndpoints, false},
		{"/v2/dockit/api/v1/users", AllEndpoints, false},
		{"/dockit/api/v2/users", AllEndpoints, true}, // of the page, which has none
		{"/dockit/api/v2/users", AllEndpoints &^ UI, false},
		{"/dockit/api/v1/users", UI, false},
		{"/dockit/", UI, true},
		{"/dockit/credentials", UI, true},
		{"/dockit/credentials", AllEndpoints &^ UI, false},
		{"/dockit", UI, true},
		{"/dockit", AllEndpoints &^ UI, false},
		{"/dockitty", AllEndpoints, false},
		{"/", AllEndpoints, false},
	} {
		route, got := tc.among.Route(tc.path)
		assert.Equal(t, tc.want, got, "Route(%s) of %b = %q", tc.path, tc.among, route)
		assert.Equal(t, tc.want, tc.among.Include(tc.path), "Route(%s) of %b = %q", tc.path, tc.among, route)
		if got {
			assert.NotNil(t, f.server.Handler(route), "nothing answers %s, route %q", tc.path, route)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	one := Service{Name: "a", TokenTTL: time.Minute}
	for _, tc := range []struct {
		name   string
		config Config
		want   string
	}{
		{"no issuer", Config{Services: []Service{one}}, "issuer"},
		{"no service", Config{Issuer: "dockit"}, "service"},
		{"service without a name", Config{Issuer: "dockit", Services: []Service{{TokenTTL: time.Minute}}}, "name"},
		{"service twice", Config{Issuer: "dockit", Services: []Service{one, one}}, "twice"},
		{"short-lived tokens", Config{Issuer: "dockit", Services: []Service{{Name: "a", TokenTTL: 59 * time.Second}}}, "59s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := New(tc.config)
			require.ErrorContains(t, err, tc.want, "New")
		})
	}
}

func TestCerts(t *testing.T) {
	f := newFixture(t)
	get := func(path, etag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if etag != "" {
			r.Header.Set("If-None-Match", etag)
		}
		return f.do(r)
	}
	bundle := get(pemPath, "")
	require.Equal(t, http.StatusOK, bundle.Code, "bundle without this and the next authority: %s", bundle.Body)
	require.GreaterOrEqual(t, strings.Count(bundle.Body.String(), "BEGIN CERTIFICATE"), 2, "bundle without this and the next authority: %s", bundle.Body)
	require.NotContains(t, bundle.Body.String(), "PRIVATE", "the bundle holds a private key")
	w := get(pemPath, bundle.Header().Get("ETag"))
	assert.Equal(t, http.StatusNotModified, w.Code, "the same bundle again: %s", w.Body)
	assert.Zero(t, w.Body.Len(), "the same bundle again: %s", w.Body)
	keys := get(jwksPath, "")
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(keys.Body.Bytes(), &set), "JWK set %s", keys.Body)
	require.NotEmpty(t, set.Keys, "JWK set %s", keys.Body)
	for _, key := range set.Keys {
		_, private := key["d"]
		assert.False(t, private, "the JWK set holds a private key")
	}
	signed := get(jwsPath, "")
	statement, err := pki.ParseStatement(signed.Body.Bytes())
	require.NoError(t, err, "signed list %d %s", signed.Code, signed.Body)
	require.Equal(t, "application/jose+json", signed.Header().Get("Content-Type"), "signed list %d %s", signed.Code, signed.Body)
	require.Len(t, statement.Certificates, strings.Count(bundle.Body.String(), "BEGIN CERTIFICATE"))
	assert.Len(t, statement.Keys.Keys, len(set.Keys))
	require.NoError(t, statement.Verify(statement.Certificates, statement.Keys, time.Now()))
	f.refused(get(jwsPath+"?service=unknown.example.com", ""), http.StatusBadRequest)
	f.refused(get(pemPath+"?service=unknown.example.com", ""), http.StatusBadRequest)
	post := f.do(httptest.NewRequest(http.MethodPost, pemPath, nil))
	f.refused(post, http.StatusMethodNotAllowed)
	assert.NotEmpty(t, post.Header().Get("Allow"), "405 without Allow")
}

// decode reads the body of an answer.
func decode(t testing.TB, w *httptest.ResponseRecorder, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), into), "%s", w.Body)
}
