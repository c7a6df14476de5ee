package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRegistryIsExamined guards what the page finds out by asking a registry: where it sends its clients, what time it has, and
// whether it takes a token.
func TestRegistryIsExamined(t *testing.T) {
	const own = "https://dockit.example.com/v2/token"
	challenge := func(realm, service string) string { return fmt.Sprintf(`Bearer realm=%q,service=%q`, realm, service) }
	right := challenge(own, "registry.example.com")
	for name, c := range map[string]struct {
		status    int
		challenge string
		ahead     time.Duration
		refuses   bool
		says      []string
		asked     int
	}{
		"all is well": {http.StatusUnauthorized, right, 0, false, []string{
			"It takes tokens of this Dockit", "clients are sent to " + own + ", the host of this page", "the registry's and Dockit's agree", "accepts one of this Dockit",
		}, 2},
		"no tokens":       {http.StatusOK, "", 0, false, []string{"everybody may do everything"}, 1},
		"no registry":     {http.StatusNotFound, "", 0, false, []string{"is that a registry?"}, 1},
		"basic":           {http.StatusUnauthorized, `Basic realm="x"`, 0, false, []string{"REGISTRY_AUTH=token"}, 1},
		"another service": {http.StatusUnauthorized, challenge(own, "other"), 0, false, []string{"set REGISTRY_AUTH_TOKEN_SERVICE"}, 2},
		"no realm":        {http.StatusUnauthorized, challenge("", "registry.example.com"), 0, false, []string{"is no URL"}, 2},
		"autoredirect":    {http.StatusUnauthorized, challenge("https://registry.example.com/auth/token", "registry.example.com"), 0, false, []string{"autoredirect is on"}, 2},
		"another path":    {http.StatusUnauthorized, challenge("https://dockit.example.com/token", "registry.example.com"), 0, false, []string{"whose path is /v2/token"}, 2},
		"another host":    {http.StatusUnauthorized, challenge("https://auth.example.com/v2/token", "registry.example.com"), 0, false, []string{"and this page is at https://dockit.example.com"}, 2},
		"markup":          {http.StatusUnauthorized, challenge("https://<script>alert(1)</script>/v2/token", "<b>"), 0, false, []string{"set REGISTRY_AUTH_TOKEN_SERVICE"}, 2},
		"clock ahead":     {http.StatusUnauthorized, right, 5 * time.Minute, true, []string{"ahead of Dockit's", "refuses one of this Dockit"}, 2},
		"clock behind":    {http.StatusUnauthorized, right, -5 * time.Minute, true, []string{"behind Dockit's", "refuses one of this Dockit"}, 2},
		"refused":         {http.StatusUnauthorized, right, 0, true, []string{"(invalid_token)", "Why it may refuse the token", "REGISTRY_AUTH_TOKEN_ISSUER at the registry must be"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				w.Header().Set("Date", time.Now().Add(c.ahead).UTC().Format(http.TimeFormat))
				if asked == 1 {
					assert.Empty(t, r.Header.Get("Authorization"), "it is asked without a token first")
				}
				switch {
				case r.URL.Path != "/v2/":
					assert.Fail(t, "something else is asked for", r.URL.Path)
				case r.Header.Get("Authorization") == "" || c.status != http.StatusUnauthorized:
					w.Header().Set("WWW-Authenticate", c.challenge)
					w.WriteHeader(c.status)
				case c.refuses:
					w.Header().Set("WWW-Authenticate", right+`,error="invalid_token"`)
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			defer registry.Close()
			f := newFixture(t)
			f.registryAt(registry.URL)
			answer := f.signedIn("root").post("keys/examine", "service", "registry.example.com")
			require.Equal(t, http.StatusOK, answer.Code, "body: %s", answer.Body)
			page := answer.Body.String()
			isPlain(t, page)
			for _, says := range c.says {
				assert.Contains(t, unescaped(page), says)
			}
			assert.Equal(t, name == "all is well", !strings.Contains(page, ">wrong<") && !strings.Contains(page, ">maybe<"))
			assert.NotContains(t, page, "<script>alert")
			assert.Equal(t, c.asked, asked)
		})
	}
}

// TestRegistryThatIsNotKnownIsNotAsked guards that the page asks at addresses of the configuration alone, and waits for none.
func TestRegistryThatIsNotKnownIsNotAsked(t *testing.T) {
	f := newFixture(t)
	b := f.signedIn("root")
	assert.NotContains(t, b.get("keys").Body.String(), "keys/examine")
	for _, service := range []string{"registry.example.com", "http://127.0.0.1:1", ""} {
		assert.Equal(t, http.StatusNotFound, b.post("keys/examine", "service", service).Code, service)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	f.registryAt(gone.URL)
	assert.Contains(t, b.get("keys").Body.String(), "keys/examine")
	answer := b.post("keys/examine", "service", "registry.example.com")
	assert.Equal(t, http.StatusOK, answer.Code)
	assert.Contains(t, answer.Body.String(), "registry does not answer")
}
