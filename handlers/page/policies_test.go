package page

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/store"
)

// everyPage are the pages that links lead to, below the root.
var everyPage = []string{"", "credentials", "sessions", "password"}

// policies are the headers that go with every answer.
var policies = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "same-origin",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Permissions-Policy": "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), " +
		"midi=(), payment=(), usb=()",
	"Cache-Control": "no-store",
}

func TestPoliciesGoWithEveryAnswer(t *testing.T) {
	f := newFixture(t)
	b := f.signedIn("alice")
	answers := map[string]*httptest.ResponseRecorder{
		"sign-in":       f.browser().get("sign-in"),
		"redirect":      f.browser().get(""),
		"not found":     b.get("nothing"),
		"not clean":     b.get("x//y"),
		"no such asset": b.get("assets/style.css"),
		"method":        b.do(http.MethodDelete, "/dockit/", nil),
		"too long":      b.get("?x=" + strings.Repeat("x", 8<<10)),
	}
	for _, path := range everyPage {
		answers["page "+path] = b.get(path)
		assert.Equal(t, http.StatusOK, answers["page "+path].Code, path)
	}
	for name, answer := range answers {
		for header, value := range policies {
			assert.Equal(t, []string{value}, answer.Header().Values(header), "%s: %s", name, header)
		}
	}
	assert.Equal(t, http.StatusNotFound, answers["not clean"].Code)
}

// TestWithoutTheSlash guards that who leaves it out finds the page, of this host and with the same method.
func TestWithoutTheSlash(t *testing.T) {
	b := newFixture(t).browser()
	for name, c := range map[string]struct{ method, path, want string }{
		"get":                {http.MethodGet, "/dockit", "/dockit/"},
		"post":               {http.MethodPost, "/dockit", "/dockit/"},
		"query":              {http.MethodGet, "/dockit?done=signed-out", "/dockit/?done=signed-out"},
		"another place":      {http.MethodGet, "/dockit?//evil.example.com/", "/dockit/?//evil.example.com/"},
		"escaped":            {http.MethodGet, "/%64ockit", "/dockit/"},
		"line break escaped": {http.MethodGet, "/dockit?%0d%0aSet-Cookie:%20a=b", "/dockit/?%0d%0aSet-Cookie:%20a=b"},
	} {
		answer := b.do(c.method, c.path, nil)
		assert.Equal(t, http.StatusPermanentRedirect, answer.Code, name)
		assert.Equal(t, c.want, answer.Header().Get("Location"), name)
		assert.Equal(t, "no-store", answer.Header().Get("Cache-Control"), name)
		assert.Len(t, answer.Header(), len(policies)+1, name)
	}
	b.change = func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodPost, "/dockit", nil).Code, "a form of another site goes no further")
}

// TestHostIsPlain guards that no link to an odd host, of those that a certificate or a name server takes anyway, puts a command into
// the lines that people copy.
func TestHostIsPlain(t *testing.T) {
	b := newFixture(t).signedIn("alice")
	for host, status := range map[string]int{
		"dockit.example.com": http.StatusOK, "dockit.example.com:8443": http.StatusOK, "192.0.2.1": http.StatusOK, "[2001:db8::1]:443": http.StatusOK,
		"xn--bcher-kva.example": http.StatusOK,
		"$(id).example.com":     http.StatusMisdirectedRequest, "a;id.example.com": http.StatusMisdirectedRequest, "'a.example.com": http.StatusMisdirectedRequest,
		"a&b.example.com": http.StatusMisdirectedRequest, "a b": http.StatusMisdirectedRequest,
	} {
		b.change = func(r *http.Request) { r.Host = host }
		answer := b.get("")
		assert.Equal(t, status, answer.Code, host)
		if status != http.StatusOK {
			assert.NotContains(t, answer.Body.String(), host)
		}
	}
}

// TestNothingIsInline guards that no page needs what the policy forbids, nor asks anybody else for anything.
func TestNothingIsInline(t *testing.T) {
	f := newFixture(t)
	b := f.signedIn("alice")
	pages := []string{f.browser().get("sign-in").Body.String(), b.get("nothing").Body.String()}
	for _, path := range everyPage {
		pages = append(pages, b.get(path).Body.String())
	}
	for _, page := range pages {
		isPlain(t, page)
	}
}

// isPlain guards that a page has nothing inline, and asks nobody else for anything.
func isPlain(t *testing.T, page string) {
	t.Helper()
	document, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	for node := range document.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		assert.NotContains(t, []string{"style", "iframe", "object", "base"}, node.Data)
		for _, attribute := range node.Attr {
			assert.False(t, strings.HasPrefix(attribute.Key, "on") || attribute.Key == "style", "%s of %s", attribute.Key, node.Data)
			if slices.Contains([]string{"href", "src", "action"}, attribute.Key) {
				assert.Regexp(t, `^(/dockit/|#|\?)`, attribute.Val)
			}
		}
		if node.Data == "script" {
			assert.Nil(t, node.FirstChild, "an inline script")
		}
	}
}

func TestAssetsNeverChange(t *testing.T) {
	b := newFixture(t).browser()
	b.base = "http://dockit.example.com" // they hold no secret
	found := regexp.MustCompile(`/dockit/assets/(\w+)\.([0-9a-f]{16})\.\w+`).FindAllStringSubmatch(b.get("sign-in").Body.String(), -1)
	require.Len(t, found, 3, "style, script and icon")
	total := 0
	for _, asset := range found {
		plain := b.get(strings.TrimPrefix(asset[0], frame.Root))
		require.Equal(t, http.StatusOK, plain.Code)
		assert.Equal(t, "public, max-age=31536000, immutable", plain.Header().Get("Cache-Control"))
		assert.Equal(t, "nosniff", plain.Header().Get("X-Content-Type-Options"))
		assert.NotEmpty(t, plain.Header().Get("Content-Type"))
		b.change = func(r *http.Request) { r.Header.Set("Accept-Encoding", "br;q=1.0, gzip;q=0.8") }
		packed := b.get(strings.TrimPrefix(asset[0], frame.Root))
		b.change = func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip;q=0") }
		assert.Empty(t, b.get(strings.TrimPrefix(asset[0], frame.Root)).Header().Get("Content-Encoding"), "refused")
		b.change = nil
		assert.Equal(t, "gzip", packed.Header().Get("Content-Encoding"))
		total += packed.Body.Len()
		reader, err := gzip.NewReader(packed.Body)
		require.NoError(t, err)
		unpacked, err := io.ReadAll(reader)
		require.NoError(t, err)
		assert.Equal(t, plain.Body.Bytes(), unpacked)
	}
	assert.Less(t, total, 20<<10, "bytes of all assets, packed")
}

// TestOtherSitesDoNothing guards that no other site can have a browser change something here: by a form, or from a frame.
func TestOtherSitesDoNothing(t *testing.T) {
	f := newFixture(t)
	for name, change := range map[string]func(*http.Request){
		"another site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a sibling":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"an older browser": func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example.com")
		},
		"a frame without an origin": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
	} {
		b := f.signedIn("alice")
		b.change = change
		for _, form := range [][]string{
			{"credentials", "scope", "all", "days", "30"},
			{"sign-out"},
			{"sessions/end"},
			{"password", confirmField, goodPassword, "new_password", "another long password", "repeated_password", "another long password"},
			{"sign-in", "name", "bob", "password", goodPassword},
		} {
			answer := b.post(form[0], form[1:]...)
			assert.Equal(t, http.StatusForbidden, answer.Code, "%s: %s", name, form[0])
			assert.Contains(t, answer.Body.String(), "comes from another site", "%s: %s", name, form[0])
		}
		b.change = nil
		assert.True(t, b.isSignedIn(), name)
		tokens, err := f.store.AccessTokens(t.Context(), userRef("alice"), store.Page{Limit: 10})
		require.NoError(t, err)
		assert.Empty(t, tokens, name)
	}
}

// TestHostileTextsStayText guards that nothing that others write becomes markup.
func TestHostileTextsStayText(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	f := newFixture(t)
	b := f.browser()
	b.change = func(r *http.Request) { r.Header.Set("User-Agent", hostile) }
	require.Equal(t, http.StatusSeeOther, b.post("sign-in", "name", "alice", "password", goodPassword).Code)
	_, token, err := f.auth.CreateAccessToken(t.Context(), auth.TokenRequest{Owner: userRef("alice"), Name: "laptop"})
	require.NoError(t, err)
	require.NoError(t, f.store.RecordUses(t.Context(), store.Uses{AccessTokens: map[string]store.Use{token.ID(): {At: f.store.Now(), Client: hostile, Address: hostile}}}))
	f.grant("alice", "repository:team/app:pull")
	for name, answer := range map[string]*httptest.ResponseRecorder{
		"sessions":    b.get("sessions"),
		"credentials": b.get("credentials"),
		"form":        b.post("credentials", "name", hostile, "scope", "some", "scopes", hostile, "networks", hostile, "days", "30"),
		"sign-in":     f.browser().post("sign-in", "name", hostile, "password", "not the password", "next", hostile),
		"notice":      b.get("?done=" + url.QueryEscape(hostile)),
		"path":        b.get(url.PathEscape(hostile)),
		"again":       again(b, hostile),
	} {
		body := answer.Body.Bytes()
		document, err := html.Parse(bytes.NewReader(body))
		require.NoError(t, err)
		for node := range document.Descendants() {
			assert.False(t, node.Type == html.ElementNode && (node.Data == "img" || node.Data == "script" && node.FirstChild != nil), "%s: %s", name, body)
		}
	}
}

// again is a form that asks for the password.
func again(b *browser, text string) *httptest.ResponseRecorder {
	return b.post("credentials", confirmField, "not the password", "name", text, text, text)
}
