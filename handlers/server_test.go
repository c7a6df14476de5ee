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
	if _, fuzzing := t.(*testing.F); !fuzzing { // which must not log inside of its target
		logger = zaptest.NewLogger(t)
	}
	path := filepath.Join(t.TempDir(), "dockit.sqlite")
	s, err := store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: path}, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ring, err := pki.NewGeneratedRing(t.Context(), s, pki.Options{
		Services: []string{service}, KidOnly: []string{jwksService}, Own: []string{zotService},
	}, logger)
	if err != nil {
		t.Fatal(err)
	}
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
	})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{TB: t, server: server, store: s, ring: ring, path: path}
}

// user makes a user with a password and permissions.
func (f *fixture) user(name, pw string, permissions ...string) {
	f.Helper()
	hash, err := password.Hash(pw)
	if err != nil {
		f.Fatal(err)
	}
	f.subject(store.NewSubject{Ref: subject.Ref{Kind: subject.User, Name: name}, PasswordHash: hash}, permissions...)
}

func (f *fixture) subject(n store.NewSubject, permissions ...string) {
	f.Helper()
	if _, err := f.store.CreateSubject(f.Context(), n); err != nil {
		f.Fatal(err)
	}
	f.grant(n.Ref, permissions...)
}

func (f *fixture) grant(to subject.Ref, permissions ...string) {
	f.Helper()
	for _, text := range permissions {
		p, err := access.ParsePermission(text)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := f.store.Grant(f.Context(), to, p); err != nil {
			f.Fatal(err)
		}
	}
}

func (f *fixture) disable(ref subject.Ref) {
	f.Helper()
	yes := true
	if _, err := f.store.UpdateSubject(f.Context(), ref, store.SubjectChange{Disabled: &yes}, 0); err != nil {
		f.Fatal(err)
	}
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
	if !found {
		f.Fatalf("%s %s is not routed", r.Method, r.URL.Path)
	}
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
	if w.Code != http.StatusOK {
		f.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var fields map[string]json.RawMessage
	var body struct {
		Token, AccessToken string
		ExpiresIn          int       `json:"expires_in"`
		IssuedAt           time.Time `json:"issued_at"`
	}
	for _, into := range []any{&fields, &body} {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			f.Fatal(err)
		}
	}
	if string(fields["token"]) == "" || string(fields["token"]) != string(fields["access_token"]) {
		f.Fatalf("token %s and access_token %s differ", fields["token"], fields["access_token"])
	}
	if body.ExpiresIn < 60 || body.IssuedAt.After(time.Now()) || body.IssuedAt.Location() != time.UTC {
		f.Fatalf("expires_in %d, issued_at %v", body.ExpiresIn, body.IssuedAt)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
		f.Fatalf("header %v", w.Header())
	}
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
	if err != nil || !parsed.Valid {
		f.Fatalf("token does not verify: %v", err)
	}
	opens := make([]string, 0, len(c.Access))
	for _, a := range c.Access {
		opens = append(opens, a.Type+":"+a.Name+":"+strings.Join(a.Actions, ","))
	}
	return c, opens
}

// refused checks an error answer as every client would and returns its message.
func (f *fixture) refused(w *httptest.ResponseRecorder, status int) string {
	f.Helper()
	var body errorBody
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		f.Fatalf("body %q: %v", w.Body, err)
	}
	if w.Code != status {
		f.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if len(body.Errors) != 1 || body.Errors[0].Code == "" || body.Errors[0].Message == "" || body.Error == "" || body.ErrorDescription == "" {
		f.Fatalf("body lacks what a client shows: %s", w.Body)
	}
	if (status == http.StatusUnauthorized) != (w.Header().Get("WWW-Authenticate") != "") {
		f.Fatalf("WWW-Authenticate is %q at %d", w.Header().Get("WWW-Authenticate"), status)
	}
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
		{"/dockit/api/v2/users", AllEndpoints, false},
		{"/", AllEndpoints, false},
	} {
		route, got := tc.among.Route(tc.path)
		if got != tc.want || tc.among.Include(tc.path) != tc.want {
			t.Errorf("Route(%s) of %b = %q, %v, want %v", tc.path, tc.among, route, got, tc.want)
		}
		if got && f.server.Handler(route) == nil {
			t.Errorf("nothing answers %s, route %q", tc.path, route)
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
			if _, err := New(tc.config); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("New = %v, want an error about %q", err, tc.want)
			}
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
	if bundle.Code != http.StatusOK || strings.Count(bundle.Body.String(), "BEGIN CERTIFICATE") < 2 {
		t.Fatalf("bundle without this and the next authority: %d %s", bundle.Code, bundle.Body)
	}
	if strings.Contains(bundle.Body.String(), "PRIVATE") {
		t.Fatal("the bundle holds a private key")
	}
	if w := get(pemPath, bundle.Header().Get("ETag")); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("the same bundle again: %d %s", w.Code, w.Body)
	}
	keys := get(jwksPath, "")
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(keys.Body.Bytes(), &set); err != nil || len(set.Keys) == 0 {
		t.Fatalf("JWK set %s: %v", keys.Body, err)
	}
	for _, key := range set.Keys {
		if _, private := key["d"]; private {
			t.Error("the JWK set holds a private key")
		}
	}
	signed := get(jwsPath, "")
	statement, err := pki.ParseStatement(signed.Body.Bytes())
	if err != nil || signed.Header().Get("Content-Type") != "application/jose+json" {
		t.Fatalf("signed list %d %s: %v", signed.Code, signed.Body, err)
	}
	if len(statement.Certificates) != strings.Count(bundle.Body.String(), "BEGIN CERTIFICATE") || len(statement.Keys.Keys) != len(set.Keys) {
		t.Errorf("it names %d certificates and %d keys", len(statement.Certificates), len(statement.Keys.Keys))
	}
	if err := statement.Verify(statement.Certificates, statement.Keys, time.Now()); err != nil {
		t.Error(err)
	}
	f.refused(get(jwsPath+"?service=unknown.example.com", ""), http.StatusBadRequest)
	f.refused(get(pemPath+"?service=unknown.example.com", ""), http.StatusBadRequest)
	post := f.do(httptest.NewRequest(http.MethodPost, pemPath, nil))
	f.refused(post, http.StatusMethodNotAllowed)
	if post.Header().Get("Allow") == "" {
		t.Error("405 without Allow")
	}
}
