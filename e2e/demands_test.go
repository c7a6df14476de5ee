package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// trusting runs a registry that trusts tokens of an authority of the test.
func trusting(t *testing.T, kind registry.Kind) (*authority, *registry.Registry) {
	t.Helper()
	ours := newAuthority(t)
	return ours, startRegistry(t, registry.Config{
		Binary: registryBinary(t, kind), Realm: "http://localhost/v2/token", Service: service, RootCertBundle: ours.file,
	})
}

// statusOf makes a request with a token, and returns what came of it.
func statusOf(t *testing.T, method, target, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// TestDemands asks registries for everything with tokens of exactly so many actions: what a token lacks is 401, and anything else
// is not.
func TestDemands(t *testing.T) {
	t.Parallel()
	const missing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, kind := range registry.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ours, r := trusting(t, kind)
			leaf := ours.leaf(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
			repository := "http://" + r.Host + "/v2/team/app/"
			for name, c := range map[string]struct {
				method, target string
				// access is what a token needs, each of it.
				access []string
			}{
				"read a manifest":    {http.MethodGet, repository + "manifests/latest", []string{"repository team/app pull"}},
				"look at a manifest": {http.MethodHead, repository + "manifests/latest", []string{"repository team/app pull"}},
				"read a layer":       {http.MethodGet, repository + "blobs/" + missing, []string{"repository team/app pull"}},
				"list tags":          {http.MethodGet, repository + "tags/list", []string{"repository team/app pull"}},
				"begin an upload":    {http.MethodPost, repository + "blobs/uploads/", []string{"repository team/app pull", "repository team/app push"}},
				"write a manifest":   {http.MethodPut, repository + "manifests/latest", []string{"repository team/app pull", "repository team/app push"}},
				"go on with one":     {http.MethodPatch, repository + "blobs/uploads/00000000-0000-4000-8000-000000000000", []string{"repository team/app pull", "repository team/app push"}},
				"delete a manifest":  {http.MethodDelete, repository + "manifests/" + missing, []string{"repository team/app delete"}},
				"mount": {
					http.MethodPost, repository + "blobs/uploads/?mount=" + missing + "&from=team/source",
					[]string{"repository team/app pull", "repository team/app push", "repository team/source pull"},
				},
				"list the catalog": {http.MethodGet, "http://" + r.Host + "/v2/_catalog", []string{"registry catalog *"}},
				"see who it is":    {http.MethodGet, "http://" + r.Host + "/v2/", nil},
			} {
				assert.NotEqual(t, http.StatusUnauthorized, statusOf(t, c.method, c.target, leaf.sign(t, nil, accessClaim(c.access))), name)
				for i, one := range c.access {
					less := append(append([]string{}, c.access[:i]...), c.access[i+1:]...)
					assert.Equal(t, http.StatusUnauthorized, statusOf(t, c.method, c.target, leaf.sign(t, nil, accessClaim(less))), "%s without %s", name, one)
				}
			}
			// Neither takes a name for all.
			for _, access := range []string{"repository * pull", "repository ** pull", "repository team/* pull"} {
				assert.Equal(t, http.StatusUnauthorized, statusOf(t, http.MethodGet, repository+"tags/list", leaf.sign(t, nil, accessClaim([]string{access}))), access)
			}
		})
	}
}

// accessClaim is the claim for entries such as "repository team/app pull".
func accessClaim(entries []string) map[string]any {
	access := []any{}
	for _, entry := range entries {
		fields := strings.Fields(entry)
		access = append(access, map[string]any{"type": fields[0], "name": fields[1], "actions": fields[2:]})
	}
	return map[string]any{"access": access}
}

// TestClaimsThatRegistriesTake tries claims and headers of tokens one by one.
func TestClaimsThatRegistriesTake(t *testing.T) {
	t.Parallel()
	for _, kind := range registry.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ours, r := trusting(t, kind)
			leaf := ours.leaf(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
			now, v3 := time.Now().Unix(), kind == registry.V3
			for name, c := range map[string]struct {
				header, claims map[string]any
				takes          bool
			}{
				"a good one":             {nil, nil, true},
				"a kid that nobody has":  {map[string]any{"kid": "nobody's"}, nil, true},
				"no typ":                 {map[string]any{"typ": nil}, nil, true},
				"no certificate":         {map[string]any{"x5c": nil}, nil, false},
				"no issuer":              {nil, map[string]any{"iss": nil}, false},
				"another issuer":         {nil, map[string]any{"iss": "other"}, false},
				"no audience":            {nil, map[string]any{"aud": nil}, false},
				"another audience":       {nil, map[string]any{"aud": "other.test"}, false},
				"a list of audiences":    {nil, map[string]any{"aud": []string{"other.test", service}}, v3},
				"no end":                 {nil, map[string]any{"exp": nil}, false},
				"ended 30 seconds ago":   {nil, map[string]any{"exp": now - 30}, true},
				"ended 2 minutes ago":    {nil, map[string]any{"exp": now - 120}, false},
				"begins in 30 seconds":   {nil, map[string]any{"nbf": now + 30}, true},
				"begins in 2 minutes":    {nil, map[string]any{"nbf": now + 120}, false},
				"issued in an hour":      {nil, map[string]any{"iat": now + 3600}, true},
				"no beginning":           {nil, map[string]any{"nbf": nil}, true},
				"a subject":              {nil, map[string]any{"sub": "alice"}, true},
				"access that is no list": {nil, map[string]any{"access": "repository:team/app:pull"}, false},
			} {
				want := http.StatusUnauthorized
				if c.takes {
					want = http.StatusOK
				}
				assert.Equal(t, want, statusOf(t, http.MethodGet, "http://"+r.Host+"/v2/", leaf.sign(t, c.header, c.claims)), name)
			}
		})
	}
}
