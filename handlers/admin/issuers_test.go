package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/store"
)

// post sends a body and reads the answer, if it is the one that is wanted.
func (f *fixture) post(path string, body any, status int, into any) answer {
	f.t.Helper()
	encoded, err := json.Marshal(body)
	require.NoError(f.t, err)
	got := f.do("POST", path, string(encoded))
	require.Equal(f.t, status, got.StatusCode, "body: %s", got.body)
	if into != nil {
		got.decode(f.t, into)
	}
	return got
}

// federated is an API with an issuer of the kind gitlab, a robot, and a binding
// that its protected branches fit.
func federated(t *testing.T) (*fixture, *issuertest.Issuer) {
	t.Helper()
	f := newFixture(t)
	issuer := issuertest.New(t)
	f.create(store.NewSubject{Ref: robot("ci")})
	f.post("/issuers", adminapi.NewIssuer{Name: "gitlab", URL: issuer.URL, Kind: "gitlab"}, http.StatusCreated, nil)
	f.post("/bindings", protectedBinding("app-main"), http.StatusCreated, nil)
	return f, issuer
}

func protectedBinding(name string) adminapi.NewBinding {
	return adminapi.NewBinding{Name: name, Issuer: "gitlab", Robot: robot("ci"), Claims: []string{"project_id=20", "ref_protected=true"}}
}

func TestIssuersOverTheAPI(t *testing.T) {
	f, issuer := federated(t)
	var shown adminapi.Issuer
	got := f.do("GET", "/issuers/gitlab", "")
	got.decode(t, &shown)
	assert.Equal(t, []string{issuer.KeyID()}, shown.Keys.IDs)
	assert.False(t, shown.Keys.FetchedAt.IsZero())
	assert.NotEmpty(t, got.Header.Get("ETag"))

	given := adminapi.NewIssuer{Name: "cluster", URL: "kubernetes/serviceaccount2", Kind: "kubernetes", JWKS: string(issuer.JWKS()), MaxAge: 3600}
	var created adminapi.Issuer
	got = f.post("/issuers", given, http.StatusCreated, &created)
	assert.Equal(t, "/dockit/api/v1/issuers/cluster", got.Header.Get("Location"))
	assert.Equal(t, given.JWKS, created.JWKS)
	assert.Equal(t, []string{issuer.KeyID()}, created.Keys.IDs)

	var page adminapi.List[adminapi.Issuer]
	f.do("GET", "/issuers?limit=1", "").decode(t, &page)
	require.Len(t, page.Items, 1)
	assert.Equal(t, "cluster", page.Items[0].Name)
	assert.Empty(t, page.Items[0].JWKS, "a page of them would be too large")
	f.do("GET", "/issuers?cursor="+page.NextCursor, "").decode(t, &page)
	require.Len(t, page.Items, 1)
	assert.Equal(t, "gitlab", page.Items[0].Name)

	got = f.do("PATCH", "/issuers/gitlab", `{"disabled":true}`)
	require.Equal(t, http.StatusOK, got.StatusCode, "body: %s", got.body)
	assert.Equal(t, http.StatusPreconditionFailed, f.do("PATCH", "/issuers/gitlab", `{"disabled":false}`, ifMatch(`"1"`)).StatusCode)
	require.Equal(t, http.StatusOK, f.do("PATCH", "/issuers/gitlab", `{"disabled":false}`, ifMatch(got.Header.Get("ETag"))).StatusCode)

	got = f.do("DELETE", "/issuers/gitlab", "")
	require.Equal(t, http.StatusOK, got.StatusCode, "body: %s", got.body)
	assert.JSONEq(t, `{"bindings":["app-main"]}`, string(got.body))
	assert.Equal(t, http.StatusNoContent, f.do("DELETE", "/issuers/cluster", "").StatusCode)
	assert.Equal(t, http.StatusNotFound, f.do("GET", "/issuers/gitlab", "").StatusCode)

	var actions []string
	for _, e := range f.audit("") {
		if strings.HasPrefix(string(e.Subject), "issuer:") || strings.HasPrefix(string(e.Subject), "binding:") {
			actions = append(actions, string(e.Action)+" "+string(e.Subject))
			assert.Equal(t, audit.Name("user:root"), e.Actor)
		}
	}
	assert.Equal(t, []string{
		"create issuer:gitlab", "create binding:app-main", "create issuer:cluster", "update issuer:gitlab", "update issuer:gitlab",
		"remove issuer:gitlab", "remove issuer:cluster",
	}, actions)
	assert.Len(t, f.audit("?subject=issuer:gitlab"), 4)
}

// TestIssuerMustShowItsKeys checks that an issuer is not trusted whose keys cannot
// be had, and that nothing is left of it.
func TestIssuerMustShowItsKeys(t *testing.T) {
	f, away := newFixture(t), issuertest.New(t)
	away.Away(true)
	for name, c := range map[string]struct {
		issuer adminapi.NewIssuer
		status int
		code   adminapi.Code
		says   string
	}{
		"away":         {adminapi.NewIssuer{Name: "x", URL: away.URL}, 424, adminapi.CodeIssuer, "status 503"},
		"http":         {adminapi.NewIssuer{Name: "x", URL: "http://gitlab.example.com"}, 422, adminapi.CodeInvalid, "https"},
		"no keys":      {adminapi.NewIssuer{Name: "x", URL: "u", JWKS: `{"keys":[{"kty":"AKP","kid":"s"}]}`}, 424, adminapi.CodeIssuer, "no keys that can be used"},
		"no JWK set":   {adminapi.NewIssuer{Name: "x", URL: "u", JWKS: `{}`}, 422, adminapi.CodeInvalid, "JWK set"},
		"unknown kind": {adminapi.NewIssuer{Name: "x", URL: "https://x.example.com", Kind: "jenkins"}, 422, adminapi.CodeInvalid, ""},
		"bad name":     {adminapi.NewIssuer{Name: "X Y", URL: "https://x.example.com"}, 422, adminapi.CodeInvalid, "lower-case"},
	} {
		t.Run(name, func(t *testing.T) {
			p := f.post("/issuers", c.issuer, c.status, nil).problem(t)
			assert.Equal(t, c.code, p.Code)
			assert.Contains(t, p.Detail, c.says)
		})
	}
	assert.Equal(t, http.StatusNotFound, f.do("GET", "/issuers/x", "").StatusCode)
	f2, _ := federated(t)
	p := f2.post("/issuers", adminapi.NewIssuer{Name: "gitlab", URL: away.URL}, 409, nil).problem(t)
	assert.Equal(t, adminapi.CodeExists, p.Code)
	assert.NotContains(t, p.Detail, "name space")
}

// TestRefreshSaysSinceWhenAnIssuerIsAway checks that its keys stay meanwhile.
func TestRefreshSaysSinceWhenAnIssuerIsAway(t *testing.T) {
	f, issuer := federated(t)
	first := issuer.KeyID()
	issuer.Rotate(t)
	var shown adminapi.Issuer
	f.post("/issuers/gitlab/refresh", nil, http.StatusOK, &shown)
	assert.Equal(t, []string{first, issuer.KeyID()}, shown.Keys.IDs)
	issuer.Away(true)
	p := f.post("/issuers/gitlab/refresh", nil, http.StatusFailedDependency, nil).problem(t)
	assert.Equal(t, adminapi.CodeIssuer, p.Code)
	f.do("GET", "/issuers/gitlab", "").decode(t, &shown)
	assert.Len(t, shown.Keys.IDs, 2)
	assert.False(t, shown.Keys.AwaySince.IsZero())
	assert.Contains(t, shown.Keys.Away, "status 503")
	assert.Equal(t, http.StatusNotFound, f.do("POST", "/issuers/nobody/refresh", "").StatusCode)
	f.post("/issuers", adminapi.NewIssuer{Name: "given", URL: "u", JWKS: string(issuer.JWKS())}, http.StatusCreated, nil)
	assert.Equal(t, adminapi.CodeKind, f.do("POST", "/issuers/given/refresh", "").problem(t).Code)
}

func TestIssuerRefusalsArePaged(t *testing.T) {
	f, _ := federated(t)
	issuer, err := f.store.Issuer(t.Context(), "gitlab")
	require.NoError(t, err)
	var some []store.IssuerRefusal
	for _, reason := range []string{"first", "second", "third"} {
		some = append(some, store.IssuerRefusal{At: time.Now(), Username: "ci", Reason: reason})
	}
	require.NoError(t, f.store.RecordIssuerRefusals(t.Context(), map[int64][]store.IssuerRefusal{issuer.ID: some}))
	var reasons []string
	for cursor := ""; ; {
		var page adminapi.List[adminapi.IssuerRefusal]
		f.do("GET", "/issuers/gitlab/refusals?limit=2&cursor="+cursor, "").decode(t, &page)
		for _, r := range page.Items {
			reasons = append(reasons, r.Reason)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	assert.Equal(t, []string{"third", "second", "first"}, reasons)
	assert.Equal(t, http.StatusUnprocessableEntity, f.do("GET", "/issuers/gitlab/refusals?cursor=eA", "").StatusCode)
}

func TestBindingsOverTheAPI(t *testing.T) {
	f, _ := federated(t)
	whole := protectedBinding("whole")
	require.NoError(t, json.Unmarshal([]byte(`{"scopes":["repository:team/app:pull"],"session":3600}`), &whole))
	var created adminapi.Binding
	f.post("/bindings", whole, http.StatusCreated, &created)
	assert.Equal(t, whole, created.NewBinding)

	var page adminapi.List[adminapi.Binding]
	f.do("GET", "/bindings?limit=1", "").decode(t, &page)
	require.Len(t, page.Items, 1)
	assert.Equal(t, "app-main", page.Items[0].Name)
	f.do("GET", "/bindings?limit=1&cursor="+page.NextCursor, "").decode(t, &page)
	assert.Equal(t, "whole", page.Items[0].Name)
	f.do("GET", "/bindings?issuer=gitlab&robot=ci&prefix=wh", "").decode(t, &page)
	assert.Len(t, page.Items, 1)
	f.do("GET", "/bindings?robot=cd", "").decode(t, &page)
	assert.Empty(t, page.Items)

	got := f.do("PATCH", "/bindings/whole", `{"disabled":true}`)
	require.Equal(t, http.StatusOK, got.StatusCode, "body: %s", got.body)
	f.do("GET", "/bindings/whole", "").decode(t, &created)
	assert.True(t, created.Disabled)
	assert.Equal(t, http.StatusPreconditionFailed, f.do("DELETE", "/bindings/whole", "", ifMatch(`"1"`)).StatusCode)
	assert.Equal(t, http.StatusNoContent, f.do("DELETE", "/bindings/whole", "").StatusCode)
	assert.Equal(t, http.StatusNotFound, f.do("GET", "/bindings/whole", "").StatusCode)

	// What goes with a robot is told.
	got = f.do("DELETE", "/robots/ci", "")
	require.Equal(t, http.StatusOK, got.StatusCode)
	assert.JSONEq(t, `{"bindings":["app-main"]}`, string(got.body))
	f.create(store.NewSubject{Ref: robot("cd")})
	assert.Equal(t, http.StatusNoContent, f.do("DELETE", "/robots/cd", "").StatusCode)
}

// TestBindingsThatLetStrangersInAreRefused checks the codes and what they say, and
// that a later grant warns.
func TestBindingsThatLetStrangersInAreRefused(t *testing.T) {
	f, _ := federated(t)
	open := protectedBinding("open")
	open.Claims = []string{"project_id=20"}
	f.post("/bindings", open, http.StatusCreated, nil) // its robot may do nothing
	var granted adminapi.Granted
	f.post("/robots/ci/permissions", map[string]string{"permission": "repository:team/app:pull"}, http.StatusOK, &granted)
	assert.Empty(t, granted.Warnings)
	f.post("/robots/ci/permissions", map[string]string{"permission": "repository:team/app:push"}, http.StatusOK, &granted)
	require.Len(t, granted.Warnings, 1)
	assert.Contains(t, granted.Warnings[0], "open")
	var shown adminapi.Binding
	f.do("GET", "/bindings/open", "").decode(t, &shown)
	assert.NotEmpty(t, shown.Warnings)

	for name, c := range map[string]struct {
		change func(*adminapi.NewBinding)
		status int
		code   adminapi.Code
		says   string
	}{
		"unprotected":   {func(b *adminapi.NewBinding) { b.Claims = b.Claims[:1] }, 409, adminapi.CodeUnprotected, "ref_protected"},
		"no issuer":     {func(b *adminapi.NewBinding) { b.Issuer = "nobody" }, 404, adminapi.CodeNotFound, "nobody"},
		"no robot":      {func(b *adminapi.NewBinding) { b.Robot = robot("nobody") }, 404, adminapi.CodeNotFound, "add the robot first"},
		"a user":        {func(b *adminapi.NewBinding) { b.Robot = user("root") }, 422, adminapi.CodeInvalid, "no robot"},
		"no condition":  {func(b *adminapi.NewBinding) { b.Claims = []string{} }, 422, adminapi.CodeInvalid, ""},
		"not a claim":   {func(b *adminapi.NewBinding) { b.Claims = []string{"project_id"} }, 422, adminapi.CodeInvalid, "NAME=VALUE"},
		"long session":  {func(b *adminapi.NewBinding) { b.Session = 1 << 60 }, 422, adminapi.CodeInvalid, "24h"},
		"name is taken": {func(b *adminapi.NewBinding) { b.Name = "app-main" }, 409, adminapi.CodeExists, "another name"},
	} {
		t.Run(name, func(t *testing.T) {
			b := protectedBinding("x")
			c.change(&b)
			p := f.post("/bindings", b, c.status, nil).problem(t)
			assert.Equal(t, c.code, p.Code)
			assert.Contains(t, p.Detail, c.says)
		})
	}
	open.Name, open.AllowUnprotected = "allowed", true
	f.post("/bindings", open, http.StatusCreated, &shown)
	assert.NotEmpty(t, shown.Warnings)
}

// TestIssuersAreForAdmins checks that who may log in to the API for what is its own
// sees none of it.
func TestIssuersAreForAdmins(t *testing.T) {
	f, _ := federated(t)
	f.create(store.NewSubject{Ref: user("alice")})
	asAlice := func(r *http.Request) { r.SetBasicAuth("alice", goodPassword) }
	for _, path := range []string{"/issuers", "/issuers/gitlab", "/issuers/gitlab/refusals", "/bindings", "/bindings/app-main"} {
		assert.Equal(t, http.StatusForbidden, f.do("GET", path, "", asAlice).StatusCode, path)
	}
	assert.Equal(t, http.StatusForbidden, f.do("POST", "/issuers/try", `{"token":"x"}`, asAlice).StatusCode)
}
