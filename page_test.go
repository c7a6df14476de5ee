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

// TestPageWithoutItsSlash guards that the address as people type it leads to the page where that is served, and else goes on to what
// the site has behind Dockit.
func TestPageWithoutItsSlash(t *testing.T) {
	for name, c := range map[string]struct {
		endpoints string
		status    int
		location  string
	}{
		"every group": {"", http.StatusPermanentRedirect, "/dockit/?a=b"},
		"ui":          {"token ui", http.StatusPermanentRedirect, "/dockit/?a=b"},
		"no ui":       {"token admin", http.StatusTeapot, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.handlers = "dockit " + c.endpoints + "\n\trespond 418"
			mustLoad(t, s.String())
			client := newClient(t)
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			resp, err := client.Get(s.url("/dockit?a=b"))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, c.status, resp.StatusCode)
			assert.Equal(t, c.location, resp.Header.Get("Location"))
		})
	}
}

func TestPageOfAPIServerWithoutItsSlash(t *testing.T) {
	for arguments, status := range map[string]int{"--ui": http.StatusPermanentRedirect, "--ui=false": http.StatusNotFound} {
		t.Run(arguments, func(t *testing.T) {
			base := runAPIServer(t, arguments)
			client := newClient(t)
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			resp, err := client.Get(base + "/dockit")
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, status, resp.StatusCode)
		})
	}
}
