package handlers

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/auth"
)

// ready asks what the server can do.
func (f *fixture) ready(query string) (status int, answer readiness) {
	f.Helper()
	w := f.do(httptest.NewRequest(http.MethodGet, readyPath+query, nil))
	require.NoError(f, json.Unmarshal(w.Body.Bytes(), &answer), "%s", w.Body)
	return w.Code, answer
}

func TestHealth(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{healthPath, readyPath, readyPath + "?can=issue", readyPath + "?can=change"} {
		w := f.do(httptest.NewRequest(http.MethodGet, path, nil))
		assert.Equal(t, http.StatusOK, w.Code, "%s: %s", path, w.Body)
	}
	_, healthy := f.ready("")
	assert.Equal(t, readiness{Status: "ready", Issue: true, Change: true}, healthy, "and no reason")
	w := f.do(httptest.NewRequest(http.MethodGet, readyPath+"?can=fly", nil))
	assert.Equal(t, http.StatusBadRequest, w.Code, "can fly: %s", w.Body)
	require.NoError(t, f.store.Close())
	for _, tc := range []struct {
		query  string
		status int
	}{
		{"", http.StatusOK},
		{"?can=issue", http.StatusOK},
		{"?can=change", http.StatusServiceUnavailable},
	} {
		status, answer := f.ready(tc.query)
		assert.Equal(t, tc.status, status, "without a database, %q: %+v", tc.query, answer)
		assert.Equal(t, "degraded", answer.Status, "without a database, %q: %+v", tc.query, answer)
		assert.True(t, answer.Issue, "without a database, %q: %+v", tc.query, answer)
		assert.False(t, answer.Change, "without a database, %q: %+v", tc.query, answer)
		require.NotEmpty(t, answer.Reason, "without a database, %q: %+v", tc.query, answer)
		assert.NotNil(t, answer.Until, "without a database, %q: %+v", tc.query, answer)
	}
	w = f.do(httptest.NewRequest(http.MethodGet, healthPath, nil))
	assert.Equal(t, http.StatusOK, w.Code, "alive without a database: %s", w.Body)
}

// A lock that another process holds in the database is noticed within ten seconds,
// and as soon as it is gone.
func TestReadinessWithoutChanges(t *testing.T) {
	f := newFixture(t)
	await := func(status int) {
		t.Helper()
		const longest = 10 * time.Second
		for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			got, answer := f.ready("?can=change")
			require.Equal(t, got == http.StatusOK, answer.Change, "%d %+v", got, answer)
			require.True(t, answer.Issue, "%d %+v", got, answer)
			if got == status {
				t.Logf("%d after %s", status, time.Since(began))
				return
			}
			require.LessOrEqual(t, time.Since(began), longest, "%d for longer than %s", got, longest)
		}
	}
	await(http.StatusOK)
	release := f.lock()
	await(http.StatusServiceUnavailable)
	status, answer := f.ready("")
	assert.Equal(t, http.StatusOK, status, "asked for tokens only: %+v", answer)
	assert.Equal(t, "degraded", answer.Status, "asked for tokens only: %+v", answer)
	assert.NotEmpty(t, answer.Reason, "asked for tokens only: %+v", answer)
	release()
	await(http.StatusOK)
	_, answer = f.ready("")
	assert.Equal(t, "ready", answer.Status, "asked for tokens only: %+v", answer)
}

// Docker would keep the password where it gets no refresh token.
func TestNoRefreshTokenWithoutChanges(t *testing.T) {
	f := withPeople(t)
	f.with(auth.Options{RefreshTokens: true})
	f.lock()
	w := f.get(alice, "service="+service, "offline_token=true")
	f.refused(w, http.StatusServiceUnavailable)
	assert.NotEmpty(t, w.Header().Get("Retry-After"), "not told to try again")
	w = f.get(alice, "service="+service)
	assert.Equal(t, http.StatusOK, w.Code, "without a refresh token: %s", w.Body)
}

// lock locks the database as another program does, until it is released.
func (f *fixture) lock() (release func()) {
	f.Helper()
	db, err := sql.Open("sqlite", f.path)
	require.NoError(f, err)
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(f.Context(), "BEGIN EXCLUSIVE")
	require.NoError(f, err)
	release = sync.OnceFunc(func() {
		assert.NoError(f, db.Close())
	})
	f.Cleanup(release)
	return release
}

func TestNotReadyWithoutDatabaseAndMemory(t *testing.T) {
	f := newFixture(t)
	changed, err := f.server.config.Auth.With(auth.Options{ServeStale: -1})
	require.NoError(t, err)
	f.server.config.Auth = changed
	require.NoError(t, f.store.Close())
	status, answer := f.ready("")
	assert.Equal(t, http.StatusServiceUnavailable, status, "%+v", answer)
	assert.Equal(t, "not ready", answer.Status, "%+v", answer)
	assert.False(t, answer.Issue, "%+v", answer)
	assert.False(t, answer.Change, "%+v", answer)
}

func TestTokensFromMemory(t *testing.T) {
	f := withPeople(t)
	scope := "scope=repository:team/app:pull,push"
	_, before := f.token(f.get(alice, "service="+service, scope))
	_, public := f.token(f.get("", "service="+service, scope))
	require.NoError(t, f.store.Close())
	_, answer := f.ready("") // which finds out
	require.False(t, answer.Change, "%+v", answer)
	_, after := f.token(f.get(alice, "service="+service, scope))
	assert.Len(t, after, len(before), "alice opens %q before", before)
	_, after = f.token(f.get("", "service="+service, scope))
	assert.Len(t, after, len(public), "everybody opens %q before", public)
	// Who is not in memory, who does not exist and who is wrong look the same.
	says := map[string]bool{}
	for _, credentials := range []string{"alice:wrong password", "bob:another long password", "nobody:whatever"} {
		w := f.get(credentials, "service="+service, scope)
		assert.NotEmpty(t, w.Header().Get("Retry-After"), "%s: not told to try again", credentials)
		says[f.refused(w, http.StatusServiceUnavailable)] = true
	}
	assert.Len(t, says, 1, "answers tell who is in memory")
}
