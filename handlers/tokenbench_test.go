package handlers

import (
	"database/sql"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/opaque"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// silentWriter is the least that an answer can be written to.
type silentWriter struct {
	header http.Header
	status int
	length int
}

func (w *silentWriter) Header() http.Header         { return w.header }
func (w *silentWriter) WriteHeader(status int)      { w.status = status }
func (w *silentWriter) Write(p []byte) (int, error) { w.length += len(p); return len(p), nil }

// tokenLoad is one kind of request for a token, to be made again and again.
type tokenLoad struct {
	handler http.Handler
	request *http.Request
	form    string
	w       silentWriter
}

// ask makes the request once more.
func (l *tokenLoad) ask(t testing.TB) {
	if !l.try() {
		require.Fail(t, "no token", "status %d, %d bytes", l.w.status, l.w.length)
	}
}

func (l *tokenLoad) try() bool {
	clear(l.w.header)
	l.w.status, l.w.length = 0, 0
	r := *l.request // which the handler may change
	if l.form != "" {
		r.Body = io.NopCloser(strings.NewReader(l.form))
	}
	l.handler.ServeHTTP(&l.w, &r)
	return l.w.status == http.StatusOK && l.w.length > 500
}

// load makes what asks a server with a quiet log, or one that writes every line.
func (f *fixture) load(logged bool, r *http.Request, form string) *tokenLoad {
	logger := zap.NewNop()
	if logged {
		logger = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.InfoLevel))
	}
	config := f.server.config
	config.Logger = logger
	server, err := New(config)
	require.NoError(f, err)
	origin := auth.Origin{Address: netip.MustParseAddr("192.0.2.1"), Client: "docker/29.0.0 go/go1.25"}
	l := &tokenLoad{handler: server.Handler(tokenPath), request: r.WithContext(auth.WithOrigin(r.Context(), origin)), form: form}
	l.w.header = make(http.Header)
	// What is read once, as soon as a busy machine comes to it.
	for began := time.Now(); !l.try(); {
		require.LessOrEqual(f, time.Since(began), time.Minute, "status %d, %d bytes", l.w.status, l.w.length)
	}
	return l
}

func withPassword(r *http.Request, username, password string) *http.Request {
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(username+":"+password)))
	return r
}

func scopeQuery(scopes int) string {
	values := url.Values{"service": {service}}
	for i := range scopes {
		values.Add("scope", fmt.Sprintf("repository:team-0/app-%d:pull", i))
	}
	return values.Encode()
}

// robot makes a robot with so many permissions, and returns one of its access tokens.
func (f *fixture) robot(name string, permissions int) opaque.Token {
	f.Helper()
	owner := subject.Ref{Kind: subject.Robot, Name: name}
	created, err := f.store.CreateSubject(f.Context(), store.NewSubject{Ref: owner})
	require.NoError(f, err)
	f.permissions(created.ID, permissions)
	return f.accessToken(owner, "bench")
}

func (f *fixture) accessToken(owner subject.Ref, name string) opaque.Token {
	f.Helper()
	_, made, err := f.server.config.Auth.CreateAccessToken(f.Context(), auth.TokenRequest{Owner: owner, Name: name})
	require.NoError(f, err)
	return made
}

// permissions adds many at once, of the kinds that there are: repositories for the most part, namespaces and patterns.
func (f *fixture) permissions(id int64, count int) {
	f.Helper()
	db, err := sql.Open("sqlite", f.path)
	require.NoError(f, err)
	defer db.Close()
	tx, err := db.BeginTx(f.Context(), nil)
	require.NoError(f, err)
	now := time.Now().UnixMicro()
	for i := range count {
		kind, name := "repository", fmt.Sprintf("team-%d/app-%d", i/100, i%100)
		switch i % 100 {
		case 97:
			kind, name = "namespace", fmt.Sprintf("team-%d/group-%d", i/100, i)
		case 98:
			name = fmt.Sprintf("team-%d/*/release", i)
		case 99:
			name = fmt.Sprintf("*/app-%d", 1000+i)
		}
		_, err := tx.ExecContext(f.Context(),
			"INSERT INTO permissions (subject_id, type, name, actions, created_at, updated_at) VALUES (?, ?, ?, 1, ?, ?)", id, kind, name, now, now)
		require.NoError(f, err)
	}
	require.NoError(f, tx.Commit())
}

// loads are requests of every kind that is answered with a token, each with how often it may allocate memory:
// somewhat more than it does, because what goes on in the background is counted, too.
var loads = []struct {
	name        string
	allocations float64
	make        func(f *fixture) *tokenLoad
}{
	{"anonymous", 100, func(f *fixture) *tokenLoad {
		f.grant(subject.Anonymous, "repository:team-0/*:pull")
		return f.load(false, getScopes(1), "")
	}},
	{"access token", 115, func(f *fixture) *tokenLoad { return f.loadOf(false, 10, 1) }},
	{"access token by POST", 120, func(f *fixture) *tokenLoad {
		form := url.Values{
			"grant_type": {"password"}, "username": {"poster"}, "password": {f.robot("poster", 10).Reveal()},
			"service": {service}, "scope": {"repository:team-0/app-0:pull"},
		}.Encode()
		post := httptest.NewRequest(http.MethodPost, tokenPath, strings.NewReader(form))
		post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return f.load(false, post, form)
	}},
	{"access token, 60 scopes", 180, func(f *fixture) *tokenLoad { return f.loadOf(false, 10, 60) }},
	{"access token, with a line in the log", 115, func(f *fixture) *tokenLoad { return f.loadOf(true, 10, 1) }},
	{"password, remembered", 115, func(f *fixture) *tokenLoad {
		const pw = "correct horse battery staple"
		f.user("alice", pw, "repository:team-0/*:push")
		return f.load(false, withPassword(getScopes(1), "alice", pw), "")
	}},
	{"token of an issuer, remembered", 115, func(f *fixture) *tokenLoad {
		i := f.issuer()
		f.grant(ciRef, "repository:team-0/*:push")
		return f.load(false, withPassword(getScopes(1), "ci", jobToken(f, i)), "")
	}},
	{"token of an issuer, remembered, with a line in the log", 120, func(f *fixture) *tokenLoad {
		i := f.issuer()
		f.grant(ciRef, "repository:team-0/*:push")
		return f.load(true, withPassword(getScopes(1), "ci", jobToken(f, i)), "")
	}},
	{"password of a session", 115, func(f *fixture) *tokenLoad {
		got := f.exchanged(exchange(f, jobToken(f, f.issuer())))
		f.grant(ciRef, "repository:team-0/*:push")
		return f.load(false, withPassword(getScopes(1), "ci", got.AccessToken), "")
	}},
	{"refresh token of a session, by POST", 120, func(f *fixture) *tokenLoad {
		given := f.answer(f.get("ci:"+jobToken(f, f.issuer()), "service="+service, "offline_token=true")).RefreshToken
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given}, "service": {service}, "scope": {"repository:team-0/app-0:pull"}}.Encode()
		post := httptest.NewRequest(http.MethodPost, tokenPath, strings.NewReader(form))
		post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return f.load(false, post, form)
	}},
	{"2,000 permissions", 115, func(f *fixture) *tokenLoad { return f.loadOf(false, 2000, 1) }},
	{"2,000 permissions, 60 scopes", 180, func(f *fixture) *tokenLoad { return f.loadOf(false, 2000, 60) }},
}

// loadOf asks for so many scopes by an access token of a robot with so many permissions.
func (f *fixture) loadOf(logged bool, permissions, scopes int) *tokenLoad {
	f.Helper()
	name := fmt.Sprintf("robot-%d-%d-%t", permissions, scopes, logged)
	return f.load(logged, withPassword(getScopes(scopes), name, f.robot(name, permissions).Reveal()), "")
}

func getScopes(scopes int) *http.Request {
	return httptest.NewRequest(http.MethodGet, tokenPath+"?"+scopeQuery(scopes), nil)
}

func BenchmarkTokenRequest(b *testing.B) {
	for _, kind := range loads {
		b.Run(kind.name, func(b *testing.B) {
			l := kind.make(newFixture(b))
			b.ReportAllocs()
			for b.Loop() {
				l.ask(b)
			}
		})
	}
}

// TestTokenRequestAllocatesLittle holds what a request for a token costs, as far as that can be counted on any machine. Above all, it
// must not grow with the permissions of who asks.
func TestTokenRequestAllocatesLittle(t *testing.T) {
	for _, kind := range loads {
		t.Run(strings.ReplaceAll(kind.name, ",", ""), func(t *testing.T) {
			l := kind.make(newFixture(t))
			least := math.Inf(1)
			for range 5 { // something else may have gone on meanwhile
				if least = min(least, testing.AllocsPerRun(50, func() { l.ask(t) })); least <= kind.allocations {
					break
				}
			}
			assert.LessOrEqual(t, least, kind.allocations, "allocations a request")
		})
	}
}
