package trust

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/state"
)

const keys = `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// TestTrustMakesAnIssuer guards that an issuer which is not there is made, and that one of another
// cluster is left alone.
func TestTrustMakesAnIssuer(t *testing.T) {
	wanted := adminapi.NewIssuer{Name: "prod", URL: "https://kubernetes.test", Kind: "kubernetes", Audiences: []string{"registry-prod"}, JWKS: keys}
	for name, test := range map[string]struct {
		current  *adminapi.Issuer
		says     string
		mistake  string
		requests []string
	}{
		"none yet":           {nil, "added prod: trusts https://kubernetes.test with the keys one;", "", []string{"GET /dockit/api/v1/issuers/prod", "POST /dockit/api/v1/issuers"}},
		"of another cluster": {&adminapi.Issuer{NewIssuer: adminapi.NewIssuer{Name: "prod", URL: "https://other.test"}}, "", "the issuer prod is https://other.test", []string{"GET /dockit/api/v1/issuers/prod"}},
		"of another cluster of that URL": {
			&adminapi.Issuer{NewIssuer: adminapi.NewIssuer{
				Name: "prod", URL: "https://kubernetes.test", JWKS: `{"keys":[{"kty":"EC","crv":"P-256","x":"other","y":"key","kid":"one"}]}`,
			}},
			"",
			"has no key of this cluster",
			[]string{"GET /dockit/api/v1/issuers/prod"},
		},
		"of another cluster of that URL, whose keys Dockit reads": {
			&adminapi.Issuer{NewIssuer: adminapi.NewIssuer{Name: "prod", URL: "https://kubernetes.test"}, Keys: adminapi.IssuerKeys{IDs: []string{"other"}}},
			"",
			"has no key of this cluster",
			[]string{"GET /dockit/api/v1/issuers/prod"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var requests []string
			var made adminapi.NewIssuer
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests = append(requests, r.Method+" "+r.URL.Path)
				w.Header().Set("Content-Type", "application/json")
				switch {
				case r.Method == http.MethodPost:
					assert.NoError(t, json.NewDecoder(r.Body).Decode(&made))
					w.WriteHeader(http.StatusCreated)
					assert.NoError(t, json.NewEncoder(w).Encode(adminapi.Issuer{NewIssuer: made, Keys: adminapi.IssuerKeys{IDs: []string{"one"}}}))
				case test.current == nil:
					w.Header().Set("Content-Type", "application/problem+json")
					w.WriteHeader(http.StatusNotFound)
					assert.NoError(t, json.NewEncoder(w).Encode(adminapi.Problem{Status: http.StatusNotFound, Code: adminapi.CodeNotFound}))
				default:
					assert.NoError(t, json.NewEncoder(w).Encode(test.current))
				}
			}))
			defer server.Close()
			dockit, err := client.New(client.Options{BaseURL: server.URL})
			require.NoError(t, err)
			said, err := new(command).put(t.Context(), dockit, wanted, keys)
			assert.Equal(t, test.requests, requests)
			if test.mistake != "" {
				require.ErrorContains(t, err, test.mistake)
				return
			}
			require.NoError(t, err)
			assert.Contains(t, said, test.says)
			assert.Equal(t, wanted, made)
		})
	}
}

// TestTrustAgainChangesKeysAlone guards what an issuer keeps when it gets the keys of now.
func TestTrustAgainChangesKeysAlone(t *testing.T) {
	current := adminapi.NewIssuer{
		Name: "prod", URL: "https://kubernetes.test", Kind: "kubernetes", Audiences: []string{"registry-prod"}, JWKS: "{}", MaxAge: 3600, Disabled: true,
	}
	for name, test := range map[string]struct {
		wanted    adminapi.NewIssuer
		audiences []string
	}{
		"other keys":      {adminapi.NewIssuer{Name: "prod", JWKS: keys}, []string{"registry-prod"}},
		"other audiences": {adminapi.NewIssuer{Name: "prod", JWKS: keys, Audiences: []string{"a", "b"}}, []string{"a", "b"}},
		"discovery":       {adminapi.NewIssuer{Name: "prod"}, []string{"registry-prod"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := documentOf(current, test.wanted)
			require.NoError(t, err)
			document, err := state.Parse(strings.NewReader(text))
			require.NoError(t, err, text)
			require.Len(t, document.Issuers, 1)
			got := document.Issuers[0]
			assert.Equal(t, test.audiences, got.Audiences)
			assert.Equal(t, current.URL, got.URL)
			assert.True(t, got.Disabled)
			assert.InDelta(t, 3600, got.MaxAge.Seconds(), 0)
			if test.wanted.JWKS == "" {
				assert.Empty(t, got.JWKS)
			} else {
				assert.JSONEq(t, test.wanted.JWKS, got.JWKS)
			}
		})
	}
}

// TestIssuersThatReadTheirKeysGoOn guards that an issuer such as the chart makes loses neither its address nor its bearer file and authority
// to the keys of one day, unless the administrator says so, and that the answer tells which it is.
func TestIssuersThatReadTheirKeysGoOn(t *testing.T) {
	reads := adminapi.Issuer{
		NewIssuer: adminapi.NewIssuer{
			Name: "cluster", URL: "https://kubernetes.test", Kind: "kubernetes", Audiences: []string{"before"}, JWKSURL: "https://kubernetes.test/openid/v1/jwks",
			BearerFile: "/run/secrets/cluster/token",
		},
		Keys: adminapi.IssuerKeys{IDs: []string{"one"}},
	}
	static := adminapi.Issuer{NewIssuer: adminapi.NewIssuer{Name: "cluster", URL: "https://kubernetes.test", Kind: "kubernetes", JWKS: keys}}
	for name, test := range map[string]struct {
		flags   command
		current adminapi.Issuer
		says    string
		check   func(*testing.T, state.Issuer)
	}{
		"it reads them": {command{}, reads, "Dockit reads its keys itself", func(t *testing.T, sent state.Issuer) {
			t.Helper()
			assert.Empty(t, sent.JWKS)
			assert.Equal(t, reads.JWKSURL, sent.JWKSURL)
			assert.Equal(t, reads.BearerFile, sent.BearerFile)
			assert.Equal(t, []string{"now"}, sent.Audiences)
		}},
		"it reads them, and is told not to": {command{static: true}, reads, "as it should be", func(t *testing.T, sent state.Issuer) {
			t.Helper()
			assert.JSONEq(t, keys, sent.JWKS)
			assert.Empty(t, sent.JWKSURL)
			assert.Empty(t, sent.BearerFile)
		}},
		"it has keys": {command{}, static, "as it should be", func(t *testing.T, sent state.Issuer) {
			t.Helper()
			assert.JSONEq(t, keys, sent.JWKS)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var applied *state.Document
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.Method == http.MethodGet {
					assert.NoError(t, json.NewEncoder(w).Encode(test.current))
					return
				}
				var err error
				applied, err = state.Parse(r.Body)
				assert.NoError(t, err)
				assert.NoError(t, json.NewEncoder(w).Encode(state.Plan{}))
			}))
			defer server.Close()
			dockit, err := client.New(client.Options{BaseURL: server.URL})
			require.NoError(t, err)
			wanted := adminapi.NewIssuer{Name: "cluster", URL: "https://kubernetes.test", Kind: "kubernetes", Audiences: []string{"now"}, JWKS: keys}
			said, err := test.flags.put(t.Context(), dockit, wanted, keys)
			require.NoError(t, err)
			assert.Contains(t, said, test.says)
			assert.Equal(t, test.says == "Dockit reads its keys itself", strings.Contains(said, "--static"))
			require.NotNil(t, applied)
			test.check(t, applied.Issuers[0])
		})
	}
}

func TestKeysOfAnotherCluster(t *testing.T) {
	const one, two = `{"kty":"RSA","n":"a","e":"AQAB","kid":"1"}`, `{"kty":"RSA","n":"b","e":"AQAB","kid":"1"}`
	set := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	for name, c := range map[string]struct {
		current, found string
		want           bool
	}{
		"the same":                  {set(one), set(one), false},
		"one more":                  {set(one), set(one, two), false},
		"one less":                  {set(one, two), set(two), false},
		"none, by the same id":      {set(one), set(two), true},
		"the same by another id":    {set(one), set(strings.Replace(one, `"1"`, `"2"`, 1)), false},
		"found by discovery before": {"", set(one), false},
		"found by discovery now":    {set(one), "", false},
		"no keys yet":               {set(), set(one), false},
	} {
		assert.Equal(t, c.want, ofAnotherCluster(known{set: c.current}, c.found), name)
	}
	for name, c := range map[string]struct {
		ids  []string
		want bool
	}{
		"the same id":       {[]string{"0", "1"}, false},
		"other ids":         {[]string{"2"}, true},
		"none are read yet": {nil, false},
	} {
		assert.Equal(t, c.want, ofAnotherCluster(known{ids: c.ids}, set(one)), name)
	}
	assert.False(t, ofAnotherCluster(known{ids: []string{"2"}}, "no JSON"))
}
