package admin

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"
	"golang.org/x/crypto/bcrypt"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/token"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// goodPassword is the password of every user of the tests.
const goodPassword = "a long enough password"

// fixture is an API over a new database.
type fixture struct {
	t     testing.TB
	store *store.Store
	ring  *pki.Ring
	api   *API
	// requests counts those that were sent, each from an address of its own:
	// wrong passwords of one do not slow down another.
	requests atomic.Int32
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return newFixtureOn(t, store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")})
}

func newFixtureOn(t testing.TB, config store.Config) *fixture {
	t.Helper()
	logger := zaptest.NewLogger(t)
	s, err := store.Open(t.Context(), config, logger)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	known := cache.New(s, logger)
	known.Start()
	t.Cleanup(known.Close)
	authenticator := auth.New(s, known, logger)
	t.Cleanup(authenticator.Close)
	services := []handlers.Service{
		{Name: "registry", Profile: token.ProfileX5C, TokenTTL: 5 * time.Minute},
		{Name: "zot", Profile: token.ProfileZot, TokenTTL: 5 * time.Minute},
	}
	ring, err := pki.NewGeneratedRing(t.Context(), s, pki.Options{Services: []string{"registry"}, Own: []string{"zot"}}, logger)
	require.NoError(t, err)
	t.Cleanup(ring.Close)
	refusals := NewRefusals(s, logger)
	t.Cleanup(refusals.Close)
	api, err := New(Config{Store: s, Refusals: refusals, Auth: authenticator, Ring: ring, Issuer: "dockit", Services: services, Logger: logger, Version: "1.2.3"})
	require.NoError(t, err)
	f := &fixture{t: t, store: s, ring: ring, api: api}
	f.create(store.NewSubject{Ref: user("root"), Admin: true})
	return f
}

func user(name string) subject.Ref  { return subject.Ref{Kind: subject.User, Name: name} }
func robot(name string) subject.Ref { return subject.Ref{Kind: subject.Robot, Name: name} }
func group(name string) subject.Ref { return subject.Ref{Kind: subject.Group, Name: name} }

// create makes a subject. Users get the good password, with a cheap hash.
func (f *fixture) create(n store.NewSubject) {
	f.t.Helper()
	if n.Ref.Kind == subject.User {
		hash, err := bcrypt.GenerateFromPassword([]byte(goodPassword), bcrypt.MinCost)
		require.NoError(f.t, err)
		n.PasswordHash = string(hash)
	}
	_, err := f.store.CreateSubject(f.t.Context(), n)
	require.NoError(f.t, err)
}

// flush writes down what was counted.
func (f *fixture) flush() { f.api.config.Refusals.Flush(f.t.Context()) }

// answer is what came back.
type answer struct {
	*http.Response
	body []byte
}

func (a answer) decode(t testing.TB, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.body, into), "body: %s", a.body)
}

func (a answer) problem(t testing.TB) adminapi.Problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), "body: %s", a.body)
	var p adminapi.Problem
	a.decode(t, &p)
	require.Equal(t, a.StatusCode, p.Status)
	return p
}

// do sends a request as root, unless change says otherwise.
func (f *fixture) do(method, path, body string, change ...func(*http.Request)) answer {
	f.t.Helper()
	return f.doOn(func(w http.ResponseWriter) http.ResponseWriter { return w }, method, path, body, change...)
}

// doOn is do with something around what the answer is written to.
func (f *fixture) doOn(around func(http.ResponseWriter) http.ResponseWriter, method, path, body string, change ...func(*http.Request)) answer {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), method, "/dockit/api/v1"+path, bytes.NewBufferString(body))
	n := f.requests.Add(1)
	fromAddress(netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}).String())(r)
	r.SetBasicAuth("root", goodPassword)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	f.api.ServeHTTP(around(w), r)
	response := w.Result()
	read, err := io.ReadAll(response.Body)
	require.NoError(f.t, err)
	return answer{response, read}
}

func fromAddress(address string) func(*http.Request) {
	return func(r *http.Request) {
		*r = *r.WithContext(auth.WithOrigin(r.Context(), auth.Origin{Address: netip.MustParseAddr(address)}))
	}
}

func ifMatch(tag string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("If-Match", tag) }
}
