package handlers

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/dockit-registry/dockit/internal/auth"
)

// ready asks what the server can do.
func (f *fixture) ready(query string) (status int, answer readiness) {
	f.Helper()
	w := f.do(httptest.NewRequest(http.MethodGet, readyPath+query, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		f.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, answer
}

func TestHealth(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{healthPath, readyPath, readyPath + "?can=issue", readyPath + "?can=change"} {
		if w := f.do(httptest.NewRequest(http.MethodGet, path, nil)); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := f.do(httptest.NewRequest(http.MethodGet, readyPath+"?can=fly", nil)); w.Code != http.StatusBadRequest {
		t.Errorf("can fly: %d %s", w.Code, w.Body)
	}
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		query  string
		status int
	}{
		{"", http.StatusOK},
		{"?can=issue", http.StatusOK},
		{"?can=change", http.StatusServiceUnavailable},
	} {
		status, answer := f.ready(tc.query)
		if status != tc.status || answer.Status != "degraded" || !answer.Issue || answer.Change || answer.Reason == "" || answer.Until == nil {
			t.Errorf("without a database, %q: %d %+v", tc.query, status, answer)
		}
	}
	if w := f.do(httptest.NewRequest(http.MethodGet, healthPath, nil)); w.Code != http.StatusOK {
		t.Errorf("alive without a database: %d %s", w.Code, w.Body)
	}
}

// A lock that somebody else holds in the database is noticed within ten seconds,
// and as soon as it is gone.
func TestReadinessWithoutChanges(t *testing.T) {
	f := newFixture(t)
	await := func(status int) {
		t.Helper()
		const longest = 10 * time.Second
		for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			got, answer := f.ready("?can=change")
			if answer.Change != (got == http.StatusOK) || !answer.Issue {
				t.Fatalf("%d %+v", got, answer)
			}
			if got == status {
				t.Logf("%d after %s", status, time.Since(began))
				return
			}
			if time.Since(began) > longest {
				t.Fatalf("%d for longer than %s", got, longest)
			}
		}
	}
	await(http.StatusOK)
	release := f.lock()
	await(http.StatusServiceUnavailable)
	if status, answer := f.ready(""); status != http.StatusOK || answer.Status != "degraded" || answer.Reason == "" {
		t.Errorf("asked for tokens only: %d %+v", status, answer)
	}
	release()
	await(http.StatusOK)
	if _, answer := f.ready(""); answer.Status != "ready" {
		t.Errorf("asked for tokens only: %+v", answer)
	}
}

// Docker would keep the password where it gets no refresh token.
func TestNoRefreshTokenWithoutChanges(t *testing.T) {
	f := withPeople(t)
	f.with(auth.Options{RefreshTokens: true})
	f.lock()
	w := f.get(alice, "service="+service, "offline_token=true")
	if f.refused(w, http.StatusServiceUnavailable); w.Header().Get("Retry-After") == "" {
		t.Error("not told to try again")
	}
	if w := f.get(alice, "service="+service); w.Code != http.StatusOK {
		t.Errorf("without a refresh token: %d %s", w.Code, w.Body)
	}
}

// lock locks the database as another program does, until it is released.
func (f *fixture) lock() (release func()) {
	f.Helper()
	db, err := sql.Open("sqlite", f.path)
	if err != nil {
		f.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(f.Context(), "BEGIN EXCLUSIVE"); err != nil {
		f.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		if err := db.Close(); err != nil {
			f.Error(err)
		}
	})
	f.Cleanup(release)
	return release
}

func TestNotReadyWithoutDatabaseAndMemory(t *testing.T) {
	f := newFixture(t)
	changed, err := f.server.config.Auth.With(auth.Options{ServeStale: -1})
	if err != nil {
		t.Fatal(err)
	}
	f.server.config.Auth = changed
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	status, answer := f.ready("")
	if status != http.StatusServiceUnavailable || answer.Status != "not ready" || answer.Issue || answer.Change {
		t.Errorf("%d %+v", status, answer)
	}
}

func TestTokensFromMemory(t *testing.T) {
	f := withPeople(t)
	scope := "scope=repository:team/app:pull,push"
	_, before := f.token(f.get(alice, "service="+service, scope))
	_, public := f.token(f.get("", "service="+service, scope))
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, answer := f.ready(""); answer.Change { // which finds out
		t.Fatalf("%+v", answer)
	}
	if _, after := f.token(f.get(alice, "service="+service, scope)); len(after) != len(before) {
		t.Errorf("alice gets %q, not %q", after, before)
	}
	if _, after := f.token(f.get("", "service="+service, scope)); len(after) != len(public) {
		t.Errorf("everybody gets %q, not %q", after, public)
	}
	// Who is not in memory, who does not exist and who is wrong look the same.
	says := map[string]bool{}
	for _, credentials := range []string{"alice:wrong password", "bob:another long password", "nobody:whatever"} {
		w := f.get(credentials, "service="+service, scope)
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: not told to try again", credentials)
		}
		says[f.refused(w, http.StatusServiceUnavailable)] = true
	}
	if len(says) != 1 {
		t.Errorf("answers tell who is in memory: %v", says)
	}
}
