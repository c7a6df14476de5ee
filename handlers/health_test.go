package handlers

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dockit-registry/dockit/auth"
)

// ready asks what the server can do.
func (f *fixture) ready(query string) (status int, answer readiness) {
	f.Helper()
	w := f.do(httptest.NewRequest(http.MethodGet, ReadyPath+query, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		f.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, answer
}

func TestHealth(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{HealthPath, ReadyPath, ReadyPath + "?can=issue", ReadyPath + "?can=change"} {
		if w := f.do(httptest.NewRequest(http.MethodGet, path, nil)); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := f.do(httptest.NewRequest(http.MethodGet, ReadyPath+"?can=fly", nil)); w.Code != http.StatusBadRequest {
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
	if w := f.do(httptest.NewRequest(http.MethodGet, HealthPath, nil)); w.Code != http.StatusOK {
		t.Errorf("alive without a database: %d %s", w.Code, w.Body)
	}
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
