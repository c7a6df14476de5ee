package page

import (
	"context"
	"database/sql"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"
	"golang.org/x/crypto/bcrypt"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/handlers/admin"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/token"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// goodPassword is the password of every user of the tests.
const goodPassword = "a long enough password"

// confirmField is where a form has the password of who sends it, for what takes it once more.
const confirmField = "confirm_password"

// fixture is the page over a new database, with the users root, who is an admin,
// alice and bob.
type fixture struct {
	testing.TB
	store *store.Store
	auth  *auth.Authenticator
	api   *admin.API
	page  *frame.Handler
	// dsn is the file of the database.
	dsn string
	// flush writes down what was refused.
	flush func()
}

// bubble runs a test with a fixture whose clock moves when everything waits.
func bubble(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newFixture(t)) })
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	logger := zaptest.NewLogger(t)
	dsn := filepath.Join(t.TempDir(), "dockit.sqlite")
	s, err := store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: dsn}, logger)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	known := cache.New(s, logger)
	t.Cleanup(known.Close)
	authenticator := auth.New(s, known, logger)
	t.Cleanup(authenticator.Close)
	refusals := admin.NewRefusals(s, logger)
	t.Cleanup(refusals.Close)
	services := []handlers.Service{{Name: "registry.example.com", Profile: token.ProfileX5C, TokenTTL: 5 * time.Minute}}
	ring, err := pki.NewGeneratedRing(t.Context(), s, pki.Options{Services: []string{"registry.example.com"}}, logger)
	require.NoError(t, err)
	t.Cleanup(ring.Close)
	api, err := admin.New(admin.Config{Store: s, Refusals: refusals, Auth: authenticator, Ring: ring, Issuer: "dockit", Services: services, Logger: logger})
	require.NoError(t, err)
	page, err := New(Config{
		API: api, LogIn: api.LogIn, Sessions: authenticator, Rights: known.Rights, Record: s.RecordEvent, Now: s.Now, Logger: logger, Version: "1.2.3",
		Services: services,
	})
	require.NoError(t, err)
	f := &fixture{TB: t, store: s, auth: authenticator, api: api, page: page, dsn: dsn, flush: func() { refusals.Flush(context.WithoutCancel(t.Context())) }}
	f.user("root", true)
	f.user("alice", false)
	f.user("bob", false)
	return f
}

func userRef(name string) subject.Ref { return subject.Ref{Kind: subject.User, Name: name} }

// user makes a user with the good password, with a cheap hash.
func (f *fixture) user(name string, admin bool) {
	f.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(goodPassword), bcrypt.MinCost)
	require.NoError(f, err)
	_, err = f.store.CreateSubject(f.Context(), store.NewSubject{Ref: userRef(name), Admin: admin, PasswordHash: string(hash)})
	require.NoError(f, err)
}

func (f *fixture) grant(name, permission string) {
	f.Helper()
	p, err := access.ParsePermission(permission)
	require.NoError(f, err)
	_, err = f.store.Grant(f.Context(), userRef(name), p)
	require.NoError(f, err)
}

// unescaped is the text of a page.
func unescaped(page string) string { return html.UnescapeString(page) }

// exec changes the database behind the back of everything.
func (f *fixture) exec(statement string) {
	f.Helper()
	db, err := sql.Open("sqlite", f.dsn)
	require.NoError(f, err)
	defer func() { require.NoError(f, db.Close()) }()
	_, err = db.ExecContext(f.Context(), statement)
	require.NoError(f, err)
}

// logins are the ids of the sessions and docker logins of a user.
func (f *fixture) logins(name string) []string {
	f.Helper()
	tokens, err := f.store.RefreshTokens(f.Context(), userRef(name))
	require.NoError(f, err)
	var ids []string
	for _, token := range tokens {
		ids = append(ids, token.ID)
	}
	return ids
}

// browser is one of a person.
type browser struct {
	*fixture
	// base is the scheme and host of the page.
	base    string
	address string
	cookies map[string]*http.Cookie
	// change is done to each request, nil for nothing.
	change func(*http.Request)
}

func (f *fixture) browser() *browser {
	return &browser{fixture: f, base: "https://dockit.example.com", address: "192.0.2.7", cookies: map[string]*http.Cookie{}}
}

// signedIn is a browser in which somebody has signed in.
func (f *fixture) signedIn(name string) *browser {
	f.Helper()
	b := f.browser()
	answer := b.post("sign-in", "name", name, "password", goodPassword)
	require.Equal(f, http.StatusSeeOther, answer.Code, "body: %s", answer.Body)
	return b
}

func (b *browser) do(method, path string, form url.Values) *httptest.ResponseRecorder {
	b.Helper()
	contentType := ""
	if method == http.MethodPost {
		contentType = "application/x-www-form-urlencoded"
	}
	return b.send(method, path, contentType, strings.NewReader(form.Encode()))
}

func (b *browser) send(method, path, contentType string, body io.Reader) *httptest.ResponseRecorder {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), method, b.base+path, body)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("User-Agent", "Firefox/145")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, cookie := range b.cookies {
		r.AddCookie(cookie)
	}
	if b.change != nil {
		b.change(r)
	}
	ctx := auth.WithOrigin(r.Context(), auth.Origin{
		Address: netip.MustParseAddr(b.address), Client: r.UserAgent(), Encrypted: strings.HasPrefix(b.base, "https://"),
	})
	w := httptest.NewRecorder()
	b.page.ServeHTTP(w, r.WithContext(ctx))
	for _, cookie := range w.Result().Cookies() {
		if cookie.MaxAge < 0 {
			delete(b.cookies, cookie.Name)
		} else {
			b.cookies[cookie.Name] = cookie
		}
	}
	return w
}

// get asks for a page below the root.
func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.Helper()
	return b.do(http.MethodGet, frame.Root+path, nil)
}

// post sends a form, whose fields are names and values in turn.
func (b *browser) post(path string, fields ...string) *httptest.ResponseRecorder {
	b.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, frame.Root+path, form)
}

// isSignedIn reports whether the browser is let in.
func (b *browser) isSignedIn() bool {
	b.Helper()
	answer := b.get("")
	if answer.Code == http.StatusOK {
		return true
	}
	require.Equal(b, http.StatusSeeOther, answer.Code, "body: %s", answer.Body)
	require.Equal(b, frame.Root+"sign-in", answer.Header().Get("Location"))
	return false
}
