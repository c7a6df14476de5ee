package page

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/store"
)

// trustRoutes are the routes about issuers, bindings, keys, the audit and lockouts: the pattern of each, and a path that fits.
var trustRoutes = []struct{ method, pattern, path string }{
	{"Get", "issuers", "issuers"},
	{"Get", "new-issuer/{kind}", "new-issuer/github"},
	{"Upload", "new-issuer/{kind}", "new-issuer/github"},
	{"Get", "issuers/{name}", "issuers/gitlab"},
	{"Post", "issuers/{name}/refresh", "issuers/gitlab/refresh"},
	{"Post", "issuers/{name}/enable", "issuers/gitlab/enable"},
	{"Post", "issuers/{name}/disable", "issuers/gitlab/disable"},
	{"Get", "issuers/{name}/remove", "issuers/gitlab/remove"},
	{"Post", "issuers/{name}/remove", "issuers/gitlab/remove"},
	{"Get", "try-token", "try-token"},
	{"Post", "try-token", "try-token"},
	{"Get", "bindings", "bindings"},
	{"Get", "new-binding/{issuer}", "new-binding/gitlab"},
	{"Post", "new-binding/{issuer}", "new-binding/gitlab"},
	{"Get", "bindings/{name}", "bindings/app-main"},
	{"Post", "bindings/{name}/enable", "bindings/app-main/enable"},
	{"Post", "bindings/{name}/disable", "bindings/app-main/disable"},
	{"Get", "bindings/{name}/remove", "bindings/app-main/remove"},
	{"Post", "bindings/{name}/remove", "bindings/app-main/remove"},
	{"Get", "keys", "keys"},
	{"Post", "keys/examine", "keys/examine"},
	{"Post", "keys/rotate", "keys/rotate"},
	{"Post", "keys/rotate-authority", "keys/rotate-authority"},
	{"Get", "keys/{id}/revoke", "keys/KEY/revoke"},
	{"Post", "keys/{id}/revoke", "keys/KEY/revoke"},
	{"Get", "audit", "audit"},
	{"Get", "audit/verify", "audit/verify"},
	{"Get", "audit/{sequence}", "audit/1"},
	{"Get", "lockouts", "lockouts"},
	{"Post", "lockouts/clear", "lockouts/clear"},
}

// federated has an issuer of the kind gitlab, a robot, and a binding that its protected branches fit.
func federated(t *testing.T) (*fixture, *issuertest.Issuer) {
	t.Helper()
	f := newFixture(t)
	issuer := issuertest.New(t)
	f.make("robot:ci")
	b := f.signedIn("root")
	answer := b.post("new-issuer/gitlab", "name", "gitlab", "place", issuer.URL)
	require.Equal(t, "/dockit/issuers/gitlab?done=issuer-trusted", answer.Header().Get("Location"), "body: %s", answer.Body)
	answer = b.post("new-binding/gitlab", "name", "app-main", "robot", "ci", "project_id", "20", "protected", "true")
	require.Equal(t, "/dockit/bindings/app-main?done=binding-made", answer.Header().Get("Location"), "body: %s", answer.Body)
	return f, issuer
}

func (b *browser) ask(method, path string) *httptest.ResponseRecorder {
	b.Helper()
	if method == "Get" {
		return b.get(path)
	}
	return b.post(path)
}

// TestPagesOfTrustAreForAdmins guards that nobody else sees or does anything there, on any of the routes that there are.
func TestPagesOfTrustAreForAdmins(t *testing.T) {
	var source []byte
	for _, room := range []string{"administration", "trust"} {
		routes, err := os.ReadFile(filepath.Join(room, "routes.go"))
		require.NoError(t, err)
		source = append(source, routes...)
	}
	for _, route := range trustRoutes {
		assert.Regexp(t, `h\.Admin`+route.method+`\("`+regexp.QuoteMeta(route.pattern)+`", `, string(source), route.pattern)
	}
	f, _ := federated(t)
	alice, nobody := f.signedIn("alice"), f.browser()
	before, err := f.store.AuditHead(t.Context())
	require.NoError(t, err)
	for _, route := range trustRoutes {
		answer := alice.ask(route.method, route.path)
		assert.Equal(t, http.StatusForbidden, answer.Code, "%s %s", route.method, route.path)
		assert.Contains(t, answer.Body.String(), "this page is for admins", "%s %s", route.method, route.path)
		assert.NotContains(t, answer.Body.String(), "app-main", "%s %s", route.method, route.path)
		status := http.StatusSeeOther
		if route.method != "Get" {
			status = http.StatusUnauthorized
		}
		assert.Equal(t, status, nobody.ask(route.method, route.path).Code, "%s %s", route.method, route.path)
	}
	after, err := f.store.AuditHead(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before, after, "nothing was done")
	assert.NotContains(t, alice.get("").Body.String(), `href="/dockit/keys"`, "no link leads there")
	assert.Contains(t, f.signedIn("root").get("").Body.String(), `href="/dockit/keys"`)
}

// TestPagesOfTrustHaveNoAuthorityOfTheirOwn guards that the admin API decides, also where a route forgets to say for whom it is.
func TestPagesOfTrustHaveNoAuthorityOfTheirOwn(t *testing.T) {
	f, _ := federated(t)
	for _, path := range []string{"/issuers", "/bindings", "/pki", "/pki/keys", "/audit", "/audit/head", "/lockouts"} {
		f.page.Get("test"+path, func(v *frame.Visit) error {
			var list json.RawMessage
			if err := v.API(http.MethodGet, path, nil, &list); err != nil {
				return err
			}
			return v.Done("", string(list))
		})
		answer := f.signedIn("alice").get("test" + path)
		assert.Equal(t, http.StatusForbidden, answer.Code, path)
		assert.NotContains(t, answer.Body.String(), "app-main", path)
	}
}

// TestOtherSitesChangeNothingOfTrust guards that no other site can have the browser of an admin change something here.
func TestOtherSitesChangeNothingOfTrust(t *testing.T) {
	f, _ := federated(t)
	b := f.signedIn("root")
	before, err := f.store.AuditHead(t.Context())
	require.NoError(t, err)
	b.change = func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	for _, route := range trustRoutes {
		if route.method == "Get" {
			continue
		}
		answer := b.post(route.path)
		assert.Equal(t, http.StatusForbidden, answer.Code, route.path)
		assert.Contains(t, answer.Body.String(), "comes from another site", route.path)
	}
	after, err := f.store.AuditHead(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

// hostileText tries to become markup wherever it is shown.
const hostileText = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`

// TestHostileTextsOfTrustStayText guards that nothing that issuers, jobs, or forms say becomes markup, and that these pages keep to the policy.
func TestHostileTextsOfTrustStayText(t *testing.T) {
	f, issuer := federated(t)
	job := issuertest.GitLab()
	job["project_path"], job["user_login"], job["project_id"] = hostileText, hostileText, hostileText
	token := issuer.Sign(t, issuer.Claims(f.store.Now(), "registry.example.com", job))
	kept, err := f.store.Issuer(t.Context(), "gitlab")
	require.NoError(t, err)
	require.NoError(t, f.store.PutIssuerAway(t.Context(), kept.ID, hostileText))
	require.NoError(t, f.store.RecordIssuerRefusals(t.Context(), map[int64][]store.IssuerRefusal{kept.ID: {{
		At: f.store.Now(), Username: hostileText, Service: hostileText, Address: hostileText, Client: hostileText, Binding: hostileText, Reason: hostileText,
	}}}))
	b := f.signedIn("root")
	answer := b.post("new-binding/gitlab", "name", "odd", "robot", "ci", "project_id", "20", "protected", "true", "claims", "user_login="+hostileText)
	require.Equal(t, http.StatusSeeOther, answer.Code, "body: %s", answer.Body)
	query := url.QueryEscape(hostileText)
	answers := map[string]*httptest.ResponseRecorder{
		"odd binding":    b.get("bindings/odd"),
		"issuer form":    b.post("new-issuer/generic", "name", hostileText, "place", hostileText, "audiences", hostileText, "jwks", hostileText, "ca", hostileText, "max_age", hostileText),
		"binding form":   b.post("new-binding/gitlab", "name", hostileText, "robot", "ci", "project_id", hostileText, "claims", hostileText, "scopes", hostileText),
		"tried":          b.post("try-token", "token", token, "robot", "ci"),
		"tried wrongly":  b.post("try-token", "token", hostileText, "robot", hostileText, "service", hostileText),
		"audit filter":   b.get("audit?subject=" + query + "&actor=" + query + "&action=" + query + "&since=" + query),
		"audit action":   b.get("audit?action=" + url.QueryEscape(`"><img src=x>`)),
		"expected head":  b.get("audit/verify?expect=" + query),
		"bindings of":    b.get("bindings?issuer=" + query + "&robot=" + query),
		"unknown issuer": b.get("issuers/" + url.PathEscape(hostileText)),
		"unknown kind":   b.get("new-issuer/" + url.PathEscape(hostileText)),
		"lockout":        b.post("lockouts/clear", "name", hostileText, "network", hostileText),
	}
	for _, route := range trustRoutes {
		if route.method == "Get" {
			answers[route.path] = b.get(route.path)
		}
	}
	assert.Contains(t, answers["issuers/gitlab"].Body.String(), "&lt;script&gt;", "it is shown")
	for name, answer := range answers {
		body := answer.Body.Bytes()
		require.NotEmpty(t, body, name)
		document, err := html.Parse(bytes.NewReader(body))
		require.NoError(t, err)
		for node := range document.Descendants() {
			if node.Type != html.ElementNode {
				continue
			}
			assert.False(t, node.Data == "img" || node.Data == "style" || node.Data == "script" && node.FirstChild != nil, "%s: %s", name, body)
			for _, attribute := range node.Attr {
				assert.False(t, strings.HasPrefix(attribute.Key, "on") || attribute.Key == "style", "%s: %s of %s", name, attribute.Key, node.Data)
			}
		}
	}
}

// TestPagesOfTrustTeachTheirCommand guards that each page says how to do the same on the command line.
func TestPagesOfTrustTeachTheirCommand(t *testing.T) {
	f, _ := federated(t)
	b := f.signedIn("root")
	for path, teaches := range map[string]string{
		"issuers":                                "dockit rbac issuer list",
		"new-issuer/github":                      "dockit rbac issuer add github --kind github --url https://token.actions.githubusercontent.com",
		"issuers/gitlab":                         "dockit rbac issuer show gitlab",
		"issuers/gitlab/remove":                  "dockit rbac issuer remove gitlab",
		"try-token":                              "dockit rbac issuer try token.jwt",
		"bindings":                               "dockit rbac binding list",
		"bindings?issuer=gitlab":                 "dockit rbac binding list --issuer gitlab",
		"new-binding/gitlab":                     "dockit rbac binding add app-main --issuer gitlab --robot robot:ci",
		"bindings/app-main":                      "dockit rbac binding show app-main",
		"bindings/app-main/remove":               "dockit rbac binding remove app-main",
		"keys":                                   "dockit rbac pki rotate --base-url",
		"audit":                                  "dockit rbac audit --since 0",
		"audit?actor=user:root&until=2026-01-31": "dockit rbac audit --since 0 --actor user:root --until 2026-02-01T00:00:00Z",
		"audit/1":                                "dockit rbac audit verify",
		"audit/verify":                           "dockit rbac audit verify",
		"lockouts":                               "dockit rbac lockouts clear user:alice",
	} {
		answer := b.get(path)
		assert.Equal(t, http.StatusOK, answer.Code, path)
		assert.Contains(t, answer.Body.String(), teaches, path)
		assert.Contains(t, answer.Body.String(), "--base-url https://dockit.example.com", path)
	}
}
