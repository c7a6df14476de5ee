package handlers

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const page = "https://ui.example.com"

func TestBrowserAsksForTokens(t *testing.T) {
	f := withPeople(t)
	ask := func(server *Server, r *http.Request, origin string) *httptest.ResponseRecorder {
		t.Helper()
		r = fromPeer(r)
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		server.Handler(tokenPath).ServeHTTP(w, r)
		return w
	}
	preflight := func() *http.Request {
		r := httptest.NewRequest(http.MethodOptions, tokenPath+"?service="+service, nil)
		r.Header.Set("Access-Control-Request-Method", http.MethodGet)
		r.Header.Set("Access-Control-Request-Headers", "authorization")
		return r
	}
	config := f.server.config
	config.CORSOrigins = []string{page, "http://localhost:8080"}
	allowing, err := New(config)
	require.NoError(t, err)
	for _, tc := range []struct {
		name    string
		server  *Server
		request *http.Request
		origin  string
		status  int
		allowed string
	}{
		{"preflight", allowing, preflight(), page, 204, page},
		{"preflight of the other page", allowing, preflight(), "http://localhost:8080", 204, "http://localhost:8080"},
		{"preflight of a stranger", allowing, preflight(), "https://evil.example.com", 204, ""},
		{"preflight of a suffix", allowing, preflight(), "https://ui.example.com.evil.example", 204, ""},
		{"preflight of another port", allowing, preflight(), page + ":8443", 204, ""},
		{"preflight of a sandbox", allowing, preflight(), "null", 204, ""},
		{"token", allowing, tokenGET(alice, "service="+service), page, 200, page},
		{"refusal", allowing, tokenGET("alice:wrong", "service="+service), page, 401, page},
		{"token of a stranger", allowing, tokenGET(alice, "service="+service), "https://evil.example.com", 200, ""},
		{"preflight, off", f.server, preflight(), page, 405, ""},
		{"token, off", f.server, tokenGET(alice, "service="+service), page, 200, ""},
	} {
		w := ask(tc.server, tc.request, tc.origin)
		header := w.Header()
		assert.Equal(t, tc.status, w.Code, tc.name)
		assert.Equal(t, tc.allowed, header.Get("Access-Control-Allow-Origin"), tc.name)
		assert.Equal(t, tc.allowed != "", header.Get("Access-Control-Allow-Credentials") == "true", "%s: credentials %q", tc.name, header.Get("Access-Control-Allow-Credentials"))
		if tc.server == allowing {
			assert.NotEmpty(t, header.Values("Vary"), "%s: a cache would give one page's answer to another", tc.name)
		}
		if tc.allowed != "" && tc.request.Method == http.MethodOptions {
			assert.Equal(t, "authorization", header.Get("Access-Control-Allow-Headers"), "%s: allowed headers", tc.name)
		}
	}
}

func TestValidateOrigin(t *testing.T) {
	for origin, ok := range map[string]bool{
		page: true, "http://localhost:8080": true, "https://xn--bcher-kva.example": true, "http://[::1]:8080": true,
		"": false, "*": false, "null": false, "https://*": false, "https://*.example.com": false, "ui.example.com": false,
		page + "/": false, page + "/ui": false, page + "?a": false, page + "#a": false, "https://UI.example.com": false,
		"https://user@ui.example.com": false, "ftp://ui.example.com": false, "https://ui.example.com:443": false,
		"http://ui.example.com:80": false, "https://bücher.example": false, page + " https://other": false,
	} {
		err := ValidateOrigin(origin)
		assert.Equal(t, ok, err == nil, "%q: %v", origin, err)
	}
	_, err := New(Config{Issuer: "dockit", Services: []Service{{Name: "a", TokenTTL: time.Hour}}, CORSOrigins: []string{"*"}})
	assert.Error(t, err, "a wildcard is taken")
}
