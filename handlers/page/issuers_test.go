package page

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/store"
)

// TestIssuerIsTrusted guards a whole life of an issuer at the page.
func TestIssuerIsTrusted(t *testing.T) {
	f := newFixture(t)
	b := f.signedIn("root")
	page := b.get("issuers").Body.String()
	assert.Contains(t, page, "No issuer is trusted.")
	for platform, asks := range map[string]string{
		"github": "Address of the issuer", "gitlab": "Address of the instance", "forgejo": "Address of the instance", "buildkite": "Address of the issuer",
		"circleci": "Organization, by its id", "bitbucket": "Workspace", "kubernetes": "Issuer of the cluster", "google": "Address of the issuer",
		"generic": "Address of the issuer",
	} {
		assert.Contains(t, page, `href="/dockit/new-issuer/`+platform+`"`)
		form := b.get("new-issuer/" + platform)
		assert.Equal(t, http.StatusOK, form.Code, platform)
		assert.Contains(t, form.Body.String(), asks, platform)
	}
	assert.Equal(t, http.StatusNotFound, b.get("new-issuer/jenkins").Code)

	issuer := issuertest.New(t)
	answer := b.post("new-issuer/gitlab", "name", "gitlab", "place", " "+issuer.URL+"\r\n", "audiences", "one\r\ntwo", "max_age", "1h")
	require.Equal(t, "/dockit/issuers/gitlab?done=issuer-trusted", answer.Header().Get("Location"), "body: %s", answer.Body)
	kept, err := f.store.Issuer(t.Context(), "gitlab")
	require.NoError(t, err)
	assert.Equal(t, []string{"one", "two"}, kept.Audiences)
	assert.Equal(t, "gitlab 1h0m0s", string(kept.Kind)+" "+kept.MaxAge.String())

	page = b.get("issuers").Body.String()
	assert.Contains(t, page, "GitLab CI")
	assert.Contains(t, page, "just now", "how old its keys are")
	issuer.Away(true)
	answer = b.post("issuers/gitlab/refresh")
	assert.Equal(t, http.StatusFailedDependency, answer.Code)
	assert.Contains(t, answer.Body.String(), `role="alert"`)
	assert.Contains(t, answer.Body.String(), issuer.KeyID(), "what is known of it stands below")
	page = b.get("issuers").Body.String()
	assert.Contains(t, page, "away")
	assert.Contains(t, page, "503", "the last error")
	issuer.Away(false)
	assert.Equal(t, "/dockit/issuers/gitlab?done=issuer-refreshed", b.post("issuers/gitlab/refresh").Header().Get("Location"))
	assert.NotContains(t, b.get("issuers").Body.String(), "away")

	assert.Equal(t, http.StatusSeeOther, b.post("issuers/gitlab/disable").Code)
	assert.Contains(t, b.get("issuers/gitlab").Body.String(), `<span class="badge">disabled</span>`)
	assert.Equal(t, http.StatusSeeOther, b.post("issuers/gitlab/enable").Code)

	f.make("robot:ci")
	require.Equal(t, http.StatusSeeOther, b.post("new-binding/gitlab", "name", "app-main", "robot", "robot:ci", "project_id", "20", "protected", "true").Code)
	for path, heading := range map[string]string{
		"issuers/gitlab": "Issuer gitlab", "issuers/gitlab/remove": "Trust the issuer gitlab no more",
		"bindings/app-main": "Binding app-main", "bindings/app-main/remove": "Remove the binding app-main",
	} {
		page := b.get(path).Body.String()
		assert.Contains(t, page, "<title>"+heading+" · Dockit</title>", path)
		assert.Contains(t, page, "<h1>"+heading, path)
	}
	page = b.get("issuers/gitlab/remove").Body.String()
	assert.Contains(t, page, "app-main, for robot:ci", "what goes with it")
	_, err = f.store.Issuer(t.Context(), "gitlab")
	require.NoError(t, err, "asking removes nothing")
	answer = b.post("issuers/gitlab/remove")
	assert.Equal(t, "/dockit/issuers?done=issuer-removed", answer.Header().Get("Location"))
	_, err = f.store.Binding(t.Context(), "app-main")
	require.ErrorIs(t, err, store.ErrNotFound)
	assert.Equal(t, http.StatusNotFound, b.get("issuers/gitlab").Code)
	assert.Equal(t, http.StatusNotFound, b.post("issuers/gitlab/refresh").Code)
}

// TestIssuersThatAreNotTrusted guards that a form comes back as it was filled in, with what is wrong.
func TestIssuersThatAreNotTrusted(t *testing.T) {
	f, issuer := federated(t)
	b := f.signedIn("root")
	away := issuertest.New(t)
	away.Away(true)
	for name, c := range map[string]struct {
		kind   string
		fields []string
		status int
		says   string
	}{
		"taken":          {"gitlab", []string{"name", "gitlab", "place", issuer.URL}, http.StatusConflict, "choose another name"},
		"not there":      {"gitlab", []string{"name", "other", "place", away.URL}, http.StatusFailedDependency, "503"},
		"another kind":   {"generic", []string{"name", "other", "place", "https://gitlab.com"}, http.StatusUnprocessableEntity, "of kind gitlab"},
		"no URL":         {"generic", []string{"name", "other"}, http.StatusUnprocessableEntity, "url"},
		"http":           {"generic", []string{"name", "other", "place", "http://id.example.com"}, http.StatusUnprocessableEntity, "has no https"},
		"no name":        {"generic", []string{"name", "A B", "place", issuer.URL}, http.StatusUnprocessableEntity, "A B"},
		"no duration":    {"generic", []string{"name", "other", "place", issuer.URL, "max_age", "1"}, http.StatusUnprocessableEntity, "no unit"},
		"no keys at all": {"kubernetes", []string{"name", "other", "place", "cluster", "jwks", "{}"}, http.StatusUnprocessableEntity, "no JWK set"},
	} {
		answer := b.post("new-issuer/"+c.kind, c.fields...)
		page := answer.Body.String()
		assert.Equal(t, c.status, answer.Code, "%s: %s", name, page)
		assert.Contains(t, page, c.says, name)
		assert.Contains(t, page, `role="alert"`, name)
		assert.Contains(t, page, `value="`+c.fields[1]+`"`, "%s: what was filled in", name)
		if strings.Contains(name, "duration") {
			assert.Contains(t, page, "<details open>", "what is wrong is seen")
		}
	}
	answer := b.post("new-issuer/kubernetes", "name", "cluster", "place", "https://kubernetes.default.svc", "jwks", string(issuer.JWKS()))
	require.Equal(t, http.StatusSeeOther, answer.Code, "body: %s", answer.Body)
	assert.Contains(t, b.get("issuers").Body.String(), "given")
	page := b.get("issuers/cluster").Body.String()
	assert.NotContains(t, page, "cluster/refresh", "there is nothing to fetch")
	assert.Equal(t, http.StatusConflict, b.post("issuers/cluster/refresh").Code)
}

// TestLargeKeysOfAnIssuerFit guards that a form holds as many keys as an issuer may have.
func TestLargeKeysOfAnIssuerFit(t *testing.T) {
	f, issuer := federated(t)
	padded := strings.TrimSuffix(string(issuer.JWKS()), "}") + `,"x":"` + strings.Repeat("+", 30<<10) + `"}`
	answer := f.signedIn("root").post("new-issuer/kubernetes", "name", "cluster", "place", "https://kubernetes.default.svc", "jwks", padded)
	assert.Equal(t, http.StatusSeeOther, answer.Code, "body: %s", answer.Body)
}

// TestTokenIsTried guards that each condition is told, and that the token is neither shown, nor kept, nor asked to be sent again in a page.
func TestTokenIsTried(t *testing.T) {
	f, issuer := federated(t)
	b := f.signedIn("root")
	before, err := f.store.AuditHead(t.Context())
	require.NoError(t, err)
	sign := func(more ...map[string]any) string {
		return issuer.Sign(t, issuer.Claims(f.store.Now(), "registry.example.com", append([]map[string]any{issuertest.GitLab()}, more...)...))
	}
	for name, c := range map[string]struct {
		token  string
		fields []string
		status int
		says   []string
	}{
		"good":             {sign(), nil, http.StatusOK, []string{"It would log in as robot:ci", "app-main", "The robot may do nothing yet", "<code>20</code>"}},
		"another project":  {sign(map[string]any{"project_id": "21"}), nil, http.StatusOK, []string{"It would be refused", "<code>21</code>", "<code>20</code>", "no</span>"}},
		"another robot":    {sign(), []string{"robot", "robot:other"}, http.StatusOK, []string{"It would be refused", "other"}},
		"another audience": {issuer.Sign(t, issuer.Claims(f.store.Now(), "elsewhere", issuertest.GitLab())), nil, http.StatusOK, []string{"It would be refused", "elsewhere"}},
		"another service":  {sign(), []string{"service", "nowhere"}, http.StatusUnprocessableEntity, []string{"no such service"}},
		"a stranger":       {issuertest.Offline(t, "https://id.example.net").Sign(t, map[string]any{"iss": "https://id.example.net"}), nil, http.StatusOK, []string{"rbac issuer add"}},
		"no token":         {"", nil, http.StatusUnprocessableEntity, []string{"there is no token"}},
		"something else":   {"hunter2-hunter2-hunter2", nil, http.StatusOK, []string{"It would be refused"}},
		"too long":         {strings.Repeat("e", 25_000), nil, http.StatusUnprocessableEntity, []string{"token"}},
		"with a password":  {sign(), []string{confirmField, "not the password"}, http.StatusUnauthorized, []string{"once more"}},
	} {
		answer := b.post("try-token", append([]string{"token", c.token}, c.fields...)...)
		page := answer.Body.String()
		assert.Equal(t, c.status, answer.Code, "%s: %s", name, page)
		for _, says := range c.says {
			assert.Contains(t, page, says, name)
		}
		if c.token != "" {
			assert.NotContains(t, page, c.token, "%s: it is shown", name)
		}
		if parts := strings.Split(c.token, "."); len(parts) == 3 {
			assert.NotContains(t, page, parts[2], "%s: its signature is shown", name)
		}
	}
	f.flush()
	after, err := f.store.AuditEntries(t.Context(), store.AuditQuery{After: before.Sequence, Limit: 100})
	require.NoError(t, err)
	for _, entry := range after {
		assert.True(t, entry.Action.Refusal(), "a trial is recorded: %s", entry.Action)
	}
	refusals, err := f.store.IssuerRefusals(t.Context(), "gitlab")
	require.NoError(t, err)
	assert.Empty(t, refusals)
}
