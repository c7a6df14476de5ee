package admin

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/issuertest"
	"github.com/dockit-registry/dockit/store"
)

func (f *fixture) try(token string) adminapi.TrialResult {
	f.t.Helper()
	var result adminapi.TrialResult
	f.post("/issuers/try", adminapi.TokenTrial{Token: token}, http.StatusOK, &result)
	return result
}

// problems are the reasons that a trial gives.
func problems(r adminapi.TrialResult) []string {
	var reasons []string
	for _, p := range r.Problems {
		reasons = append(reasons, p.Reason)
	}
	return reasons
}

func TestTryTakesAGoodToken(t *testing.T) {
	f, issuer := federated(t)
	f.post("/robots/ci/permissions", map[string]string{"permission": "repository:team/app:push"}, http.StatusOK, nil)
	result := f.try(issuer.Sign(t, issuer.Claims(time.Now(), "registry", issuertest.GitLab())))
	assert.Empty(t, result.Problems)
	assert.True(t, result.Accepted)
	assert.Equal(t, "registry", result.Service)
	assert.Equal(t, []string{"gitlab"}, result.Issuers)
	assert.Equal(t, "app-main", result.Binding)
	assert.Equal(t, robot("ci"), result.Robot)
	require.Len(t, result.Bindings, 1)
	assert.True(t, result.Bindings[0].Holds)
	require.Len(t, result.Permissions, 1)
	assert.Equal(t, "repository:team/app:push", result.Permissions[0].Permission.String())
	assert.Contains(t, result.Claims, adminapi.TrialClaim{Name: "project_id", Value: "20"})
	refusals, err := f.store.IssuerRefusals(t.Context(), "gitlab")
	require.NoError(t, err)
	assert.Empty(t, refusals)
}

// TestTrySaysWhatIsWrong checks that a trial names everything that does not hold,
// says what to change, and leaves no trace.
func TestTrySaysWhatIsWrong(t *testing.T) {
	f, issuer := federated(t)
	stranger := issuertest.Offline(t, issuer.URL)
	elsewhere := issuertest.Offline(t, issuer.URL+"/enterprise")
	unknown := issuertest.Offline(t, "https://token.example.com")
	now := time.Now()
	sign := func(i *issuertest.Issuer, at time.Time, audience string, more ...map[string]any) string {
		return i.Sign(t, i.Claims(at, audience, append([]map[string]any{issuertest.GitLab()}, more...)...))
	}
	for name, c := range map[string]struct {
		token    string
		problems []string
		says     string
	}{
		"no token":           {"secret", []string{"malformed"}, "malformed token"},
		"https:// audience":  {sign(issuer, now, "https://registry"), nil, ""},
		"another audience":   {sign(issuer, now, "https://gitlab.example.com"), []string{"audience"}, "another audience"},
		"expired":            {sign(issuer, now.Add(-time.Hour), "registry"), []string{"expired"}, "expired"},
		"unknown key":        {sign(stranger, now, "registry"), []string{"unknown_key"}, "rbac issuer refresh gitlab"},
		"key and time":       {sign(stranger, now.Add(-time.Hour), "registry"), []string{"unknown_key", "expired"}, ""},
		"near issuer":        {sign(elsewhere, now, "registry"), []string{"unknown_issuer"}, "equal to the byte"},
		"unknown issuer":     {sign(unknown, now, "registry"), []string{"unknown_issuer"}, "rbac issuer add"},
		"another ref":        {sign(issuer, now, "registry", map[string]any{"ref_protected": "false"}), []string{"conditions"}, `ref_protected is "false", wanted is true`},
		"no claim":           {sign(issuer, now, "registry", map[string]any{"project_id": nil}), []string{"conditions"}, "project_id is missing"},
		"unsigned algorithm": {issuer.SignText(t, map[string]any{"alg": "none"}, []byte(`{"iss":"`+issuer.URL+`"}`)), []string{"algorithm"}, "algorithm"},
	} {
		t.Run(name, func(t *testing.T) {
			result := f.try(c.token)
			assert.Equal(t, c.problems, problems(result))
			assert.Equal(t, c.problems == nil, result.Accepted)
			if c.problems != nil {
				assert.Contains(t, result.Problems[0].Detail, c.says)
			}
		})
	}
	assert.Equal(t, http.StatusUnprocessableEntity, f.do("POST", "/issuers/try", `{"token":"x","service":"nobody"}`).StatusCode)
	assert.Equal(t, http.StatusUnprocessableEntity, f.do("POST", "/issuers/try", `{"token":"x","username":"No Body"}`).StatusCode)
	refusals, err := f.store.IssuerRefusals(t.Context(), "gitlab")
	require.NoError(t, err)
	assert.Empty(t, refusals)
}

// TestTryTellsOfSeveralBindings checks what _ is refused for, and that what is
// disabled does not count.
func TestTryTellsOfSeveralBindings(t *testing.T) {
	f, issuer := federated(t)
	f.create(store.NewSubject{Ref: robot("cd")})
	second := protectedBinding("second")
	second.Robot = robot("cd")
	f.post("/bindings", second, http.StatusCreated, nil)
	closest := protectedBinding("a-closest")
	closest.Claims = append(closest.Claims, "ref=other")
	f.post("/bindings", closest, http.StatusCreated, nil)
	token := issuer.Sign(t, issuer.Claims(time.Now(), "registry", issuertest.GitLab()))
	result := f.try(token)
	assert.Equal(t, []string{"ambiguous"}, problems(result))
	require.Len(t, result.Bindings, 3)
	assert.Equal(t, "a-closest", result.Bindings[2].Name, "what holds comes first")
	f.post("/issuers/try", adminapi.TokenTrial{Token: token, Username: "cd"}, http.StatusOK, &result)
	assert.Equal(t, "second", result.Binding)

	require.Equal(t, http.StatusOK, f.do("PATCH", "/bindings/second", `{"disabled":true}`).StatusCode)
	assert.Equal(t, "app-main", f.try(token).Binding)
	require.Equal(t, http.StatusOK, f.do("PATCH", "/robots/ci", `{"disabled":true}`).StatusCode)
	result = f.try(token)
	assert.False(t, result.Accepted)
	assert.Equal(t, []string{"robot_disabled"}, problems(result))
	require.Equal(t, http.StatusOK, f.do("PATCH", "/issuers/gitlab", `{"disabled":true}`).StatusCode)
	assert.Equal(t, []string{"issuer_disabled"}, problems(f.try(token)))
}

// TestTryTellsClustersApart checks that of two issuers with one iss the one is found
// whose key signed.
func TestTryTellsClustersApart(t *testing.T) {
	f := newFixture(t)
	const iss = "https://kubernetes.default.svc"
	clusters := map[string]*issuertest.Issuer{"one": issuertest.Offline(t, iss), "two": issuertest.Offline(t, iss)}
	for name, issuer := range clusters {
		f.create(store.NewSubject{Ref: robot(name)})
		f.post("/issuers", adminapi.NewIssuer{Name: name, URL: iss, Kind: "kubernetes", JWKS: string(issuer.JWKS())}, http.StatusCreated, nil)
		f.post("/bindings", adminapi.NewBinding{Name: name, Issuer: name, Robot: robot(name), Claims: []string{"kubernetes.io/namespace=team"}}, http.StatusCreated, nil)
	}
	for name, issuer := range clusters {
		result := f.try(issuer.Sign(t, issuer.Claims(time.Now(), "registry", issuertest.Kubernetes("team", "builder"))))
		assert.Equal(t, name, result.Binding)
	}
}
