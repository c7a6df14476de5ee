package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"
	"golang.org/x/crypto/bcrypt"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/handlers/admin"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/cache"
	"github.com/dockit-registry/dockit/internal/token"
	"github.com/dockit-registry/dockit/pki"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

const goodPassword = "a long enough password"

var (
	root  = subject.Ref{Kind: subject.User, Name: "root"}
	alice = subject.Ref{Kind: subject.User, Name: "alice"}
	ci    = subject.Ref{Kind: subject.Robot, Name: "ci"}
	dev   = subject.Ref{Kind: subject.Group, Name: "dev"}
)

// newServer serves a new database over HTTP and returns its URL.
func newServer(t *testing.T) string {
	t.Helper()
	baseURL, _ := newServerAndAuth(t)
	return baseURL
}

// newServerAndAuth is newServer with what logs in there.
func newServerAndAuth(t *testing.T) (string, *auth.Authenticator) {
	t.Helper()
	logger := zaptest.NewLogger(t)
	s, err := store.Open(t.Context(), store.Config{Dialect: "sqlite", DSN: filepath.Join(t.TempDir(), "dockit.sqlite")}, logger)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	hash, err := bcrypt.GenerateFromPassword([]byte(goodPassword), bcrypt.MinCost)
	require.NoError(t, err)
	_, err = s.CreateSubject(t.Context(), store.NewSubject{Ref: subject.Ref{Kind: subject.User, Name: "root"}, Admin: true, PasswordHash: string(hash)})
	require.NoError(t, err)
	known := cache.New(s, logger)
	known.Start()
	t.Cleanup(known.Close)
	authenticator := auth.New(s, known, logger)
	t.Cleanup(authenticator.Close)
	ring, err := pki.NewGeneratedRing(t.Context(), s, pki.Options{Services: []string{"registry"}}, logger)
	require.NoError(t, err)
	t.Cleanup(ring.Close)
	refusals := admin.NewRefusals(s, logger)
	t.Cleanup(refusals.Close)
	api, err := admin.New(admin.Config{
		Store: s, Refusals: refusals, Auth: authenticator, Ring: ring, Issuer: "dockit",
		Services: []handlers.Service{{Name: "registry", Profile: token.ProfileX5C, TokenTTL: 5 * time.Minute}}, Logger: logger,
	})
	require.NoError(t, err)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return server.URL, authenticator
}

func newClient(t *testing.T, baseURL string, change ...func(*client.Options)) *client.Client {
	t.Helper()
	options := client.Options{BaseURL: baseURL, Username: "root", Password: goodPassword}
	for _, f := range change {
		f(&options)
	}
	c, err := client.New(options)
	require.NoError(t, err)
	return c
}

func TestEveryCall(t *testing.T) {
	c, ctx := newClient(t, newServer(t)+"/"), t.Context()

	created, err := c.CreateUser(ctx, adminapi.NewUser{Name: "alice", Password: goodPassword})
	require.NoError(t, err)
	assert.Equal(t, alice, created.Ref())
	assert.WithinDuration(t, time.Now(), created.CreatedAt, time.Minute)
	_, err = c.CreateRobot(ctx, adminapi.NewSubject{Name: "ci"})
	require.NoError(t, err)
	_, err = c.CreateGroup(ctx, adminapi.NewSubject{Name: "dev"})
	require.NoError(t, err)

	found, err := c.Subject(ctx, alice)
	require.NoError(t, err)
	assert.Equal(t, created, found)

	yes := true
	updated, err := c.Update(ctx, alice, adminapi.SubjectChange{Admin: &yes}, client.Condition(found.Version))
	require.NoError(t, err)
	assert.True(t, updated.Admin)
	_, err = c.Update(ctx, alice, adminapi.SubjectChange{Disabled: &yes}, client.Condition(found.Version))
	require.ErrorIs(t, err, client.ErrStale)
	require.ErrorIs(t, c.Delete(ctx, alice, client.Condition(found.Version)), client.ErrStale)

	require.NoError(t, c.SetPassword(ctx, "alice", "another long password"))
	other := newClient(t, c.BaseURL(), func(o *client.Options) { o.Username, o.Password = "alice", "another long password" })
	_, err = other.Subject(ctx, alice)
	require.NoError(t, err)

	added, err := c.AddMember(ctx, dev, alice)
	require.NoError(t, err)
	assert.True(t, added)
	added, err = c.AddMember(ctx, dev, alice)
	require.NoError(t, err)
	assert.False(t, added)
	assert.Equal(t, []subject.Ref{alice}, refs(t, c.Members(ctx, dev, client.ListOptions{})))
	assert.Equal(t, []subject.Ref{dev}, refs(t, c.Groups(ctx, alice)))

	tried, err := c.TryGrant(ctx, dev, permission(t, "repository:team/*:pull"))
	require.NoError(t, err)
	assert.NotNil(t, tried.Effects)
	_, err = c.TryRevoke(ctx, dev, permission(t, "repository:team/*:pull"))
	require.ErrorIs(t, err, client.ErrNotFound, "nothing was given yet")
	held, err := c.Grant(ctx, dev, permission(t, "repository:team/*:pull"))
	require.NoError(t, err)
	assert.Equal(t, permission(t, "repository:team/*:pull"), held)
	held, err = c.Grant(ctx, dev, permission(t, "repository:team/*:push"))
	require.NoError(t, err)
	assert.Equal(t, access.Pull|access.Push, held.Actions)
	for p, err := range c.Permissions(ctx, dev) {
		require.NoError(t, err)
		assert.Equal(t, held, p.Permission)
	}
	for e, err := range c.EffectivePermissions(ctx, alice) {
		require.NoError(t, err)
		assert.Equal(t, adminapi.EffectivePermission{Via: dev, Permission: held}, e)
	}
	decision, err := c.Can(ctx, alice, access.Repository, "team/app", access.Push)
	require.NoError(t, err)
	assert.True(t, decision.Allowed)
	for h, err := range c.Holders(ctx, "team/app", access.Push) {
		require.NoError(t, err)
		assert.Equal(t, adminapi.Holder{Subject: dev, Permission: held, Actions: []string{"pull", "push"}}, h)
	}
	for range c.Holders(ctx, "team/app", access.Delete) {
		assert.Fail(t, "nobody may delete")
	}
	left, err := c.Revoke(ctx, dev, permission(t, "repository:team/*:push"))
	require.NoError(t, err)
	assert.Equal(t, permission(t, "repository:team/*:pull"), *left.Remaining)
	left, err = c.Revoke(ctx, dev, permission(t, "repository:team/*:*"))
	require.NoError(t, err)
	assert.Nil(t, left.Remaining)

	require.NoError(t, c.RemoveMember(ctx, dev, alice))
	require.NoError(t, c.Delete(ctx, ci, 0))
	assert.Empty(t, refs(t, c.Subjects(ctx, subject.Robot, client.ListOptions{})))
}

func refs(t *testing.T, list func(func(adminapi.Subject, error) bool)) []subject.Ref {
	t.Helper()
	var all []subject.Ref
	for s, err := range list {
		require.NoError(t, err)
		all = append(all, s.Ref())
	}
	return all
}

func permission(t *testing.T, s string) access.Permission {
	t.Helper()
	p, err := access.ParsePermission(s)
	require.NoError(t, err)
	return p
}

func TestListsGoOnToTheLastPage(t *testing.T) {
	c := newClient(t, newServer(t))
	for n := range 23 {
		_, err := c.CreateGroup(t.Context(), adminapi.NewSubject{Name: fmt.Sprintf("team-%02d", n)})
		require.NoError(t, err)
	}
	all := refs(t, c.Subjects(t.Context(), subject.Group, client.ListOptions{Prefix: "team-", PageSize: 5}))
	assert.Len(t, all, 23)
	assert.Equal(t, []subject.Ref{{Kind: subject.Group, Name: "team-13"}}, refs(t, c.Subjects(t.Context(), subject.Group, client.ListOptions{Search: "M-13"})))
	var newest, oldest []int64
	for e, err := range c.Audit(t.Context(), client.AuditOptions{NewestFirst: true}) {
		require.NoError(t, err)
		newest = append(newest, e.Sequence)
	}
	for e, err := range c.Audit(t.Context(), client.AuditOptions{}) {
		require.NoError(t, err)
		oldest = append(oldest, e.Sequence)
	}
	slices.Reverse(newest)
	assert.Equal(t, oldest, newest)

	seen := 0
	for _, err := range c.Subjects(t.Context(), subject.Group, client.ListOptions{PageSize: 5}) {
		require.NoError(t, err)
		if seen++; seen == 7 {
			break
		}
	}
	assert.Equal(t, 7, seen, "a caller may stop early")
}

func TestRefusalsHaveTypes(t *testing.T) {
	c, ctx := newClient(t, newServer(t)), t.Context()
	_, err := c.CreateGroup(ctx, adminapi.NewSubject{Name: "dev"})
	require.NoError(t, err)
	refused := func(_ any, err error) error { return err }
	wrong := newClient(t, c.BaseURL(), func(o *client.Options) { o.Password = "wrong" })
	for name, c := range map[string]struct {
		err    error
		sort   error
		status int
	}{
		"unauthorized": {refused(wrong.Subject(ctx, dev)), client.ErrUnauthorized, 401},
		"not found":    {refused(c.Subject(ctx, alice)), client.ErrNotFound, 404},
		"exists":       {refused(c.CreateRobot(ctx, adminapi.NewSubject{Name: "dev"})), client.ErrExists, 409},
		"invalid":      {refused(c.CreateRobot(ctx, adminapi.NewSubject{Name: "DEV"})), client.ErrInvalid, 422},
		"built-in":     {c.Delete(ctx, subject.Anonymous, 0), client.ErrBuiltIn, 409},
		"last admin":   {c.Delete(ctx, subject.Ref{Kind: subject.User, Name: "root"}, 0), client.ErrLastAdmin, 409},
		"kind":         {refused(c.AddMember(ctx, dev, dev)), client.ErrKind, 409},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, c.err, c.sort)
			var e *client.Error
			require.ErrorAs(t, c.err, &e)
			assert.Equal(t, c.status, e.Status)
			assert.Contains(t, e.Error(), e.Server)
			assert.Contains(t, e.Error(), http.StatusText(c.status))
			require.NotErrorIs(t, c.err, client.ErrStale)
		})
	}
}

func TestListEndsWithTheError(t *testing.T) {
	c := newClient(t, newServer(t))
	var errs []error
	for _, err := range c.Members(t.Context(), dev, client.ListOptions{}) {
		errs = append(errs, err)
	}
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], client.ErrNotFound)
}

func TestOtherServersAreNotTrusted(t *testing.T) {
	var leaked []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked = append(leaked, r.Header.Get("Authorization"))
	}))
	t.Cleanup(thief.Close)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}, thief.URL},
		"page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>"))
		}, "not answered by a Dockit admin API"},
		"other error": {func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, "not answered by a Dockit admin API"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			chunk := []byte(strings.Repeat(" ", 1<<20))
			for range 64 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, "larger than 8 MiB"},
		"other JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`[1]`))
		}, "not what the admin API sends"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			t.Cleanup(server.Close)
			_, err := newClient(t, server.URL).Subject(t.Context(), alice)
			require.ErrorContains(t, err, c.says)
			assert.NotContains(t, err.Error(), goodPassword)
		})
	}
	assert.Empty(t, leaked)
}

func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	c := newClient(t, server.URL, func(o *client.Options) { o.Timeout = 50 * time.Millisecond })
	_, err := c.Subject(t.Context(), alice)
	require.Error(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newClient(t, server.URL).Subject(ctx, alice)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestTLSIsVerified(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	server.Config.ErrorLog = nil
	_, err := newClient(t, server.URL).Subject(t.Context(), alice)
	require.ErrorContains(t, err, "certificate")
	_, err = newClient(t, server.URL, func(o *client.Options) { o.InsecureSkipVerify = true }).Subject(t.Context(), alice)
	var e *client.Error
	require.ErrorAs(t, err, &e)
}

func TestBadBaseURLs(t *testing.T) {
	for _, base := range []string{"", "auth.example.com", "ftp://x", "http://", "https://u:secret@x", "https://x?a=b", "https://x#f", "http://[::1", ":80"} {
		_, err := client.New(client.Options{BaseURL: base})
		require.Error(t, err, base)
		assert.NotContains(t, err.Error(), "secret")
	}
}
