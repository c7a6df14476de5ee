package dockit

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPageBehindProxies guards that a password is taken over plain HTTP from a proxy alone that is trusted and says that its
// client speaks https.
func TestPageBehindProxies(t *testing.T) {
	const trusted = "servers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t\ttrusted_proxies_strict\n\t}"
	for name, c := range map[string]struct {
		global string
		proto  []string
		want   bool
	}{
		"trusted, https":             {trusted, []string{"https"}, true},
		"trusted, http":              {trusted, []string{"http"}, false},
		"trusted, silent":            {trusted, nil, false},
		"trusted, http before https": {trusted, []string{"http, https"}, false},
		"trusted, in two headers":    {trusted, []string{"https", "http"}, false},
		"not trusted, https":         {"", []string{"https"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.global = c.global
			mustLoad(t, s.String())
			form := url.Values{"name": {rootName}, "password": {rootPassword}}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url("/dockit/sign-in"), strings.NewReader(form.Encode()))
			require.NoError(t, err)
			req.Host = "registry.example.com"
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header["X-Forwarded-Proto"] = c.proto
			client := newClient(t)
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			resp, err := client.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			if c.want {
				assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
				assert.Contains(t, resp.Header.Get("Set-Cookie"), "__Host-dockit=")
				return
			}
			assert.Equal(t, http.StatusForbidden, resp.StatusCode)
			assert.Empty(t, resp.Header.Get("Set-Cookie"))
		})
	}
}

// TestPageOverAReload guards that who is signed in stays so when the configuration is replaced.
func TestPageOverAReload(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	client := newClient(t)
	var err error
	client.Jar, err = cookiejar.New(nil)
	require.NoError(t, err)
	resp, err := client.PostForm(s.url("/dockit/sign-in"), url.Values{"name": {rootName}, "password": {rootPassword}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, "after the redirect")
	s.dockit = "token_ttl 10m"
	mustLoad(t, s.String())
	status, page := get(t, client, s.url("/dockit/"))
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, page, "Hello, "+rootName)
}
