package federation

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

func exposing(t *testing.T, texts ...string) Binding {
	t.Helper()
	b := Binding{
		Name: "cluster", Issuer: "k8s", Robot: subject.Ref{Kind: subject.Robot, Name: "k8s"},
		Claims: []Condition{{kubernetesNamespace, "*"}},
	}
	for _, text := range texts {
		e, err := ParseExposure(text)
		require.NoError(t, err)
		b.Expose = append(b.Expose, e)
	}
	return b
}

func TestParseExposure(t *testing.T) {
	for text, fault := range map[string]string{
		"k8s.namespace=kubernetes.io/namespace": "",
		"ns=namespace":                          "",
		"ns":                                    "write NAME=CLAIM",
		"=namespace":                            "the name is empty",
		"ns=":                                   "the name of the claim",
		"ns=a=b":                                "no equals sign",
		"Ns=a":                                  "use lower-case letters",
		"a/b=a":                                 "use lower-case letters",
		"*=a":                                   "use lower-case letters",
		"username=sub":                          "could be taken for {username}",
		"user=sub":                              "could be taken for {username}",
		"ns=a\nb":                               "the name of the claim",
		strings.Repeat("n", 65) + "=a":          "at most 64",
		"ns=" + strings.Repeat("c", 129):        "the name of the claim",
	} {
		e, err := ParseExposure(text)
		if fault == "" {
			require.NoError(t, err)
			assert.Equal(t, text, e.String())
			encoded, err := json.Marshal(e)
			require.NoError(t, err)
			var read Exposure
			require.NoError(t, json.Unmarshal(encoded, &read))
			assert.Equal(t, e, read)
			continue
		}
		require.ErrorIs(t, err, ErrInvalidExposure, text)
		require.ErrorContains(t, err, fault, text)
	}
	b := exposing(t, "ns=a", "ns=b")
	require.ErrorContains(t, b.Validate(), "{ns} is exposed twice")
	b.Expose = make([]Exposure, 0, MaxExposures+1)
	for name := range strings.SplitSeq("abcdefghi", "") {
		b.Expose = append(b.Expose, Exposure{name, "c"})
	}
	require.ErrorContains(t, b.Validate(), "at most 8")
}

// TestExposedValues: what a token says stands for one component or for nothing, and
// what a session kept of it says the same.
func TestExposedValues(t *testing.T) {
	b := exposing(t, "ns=kubernetes.io/namespace", "other=x")
	for name, tc := range map[string]struct {
		claims Claims
		want   access.Values
	}{
		"a namespace":           {Claims{"kubernetes.io": map[string]any{"namespace": "team-a"}}, access.Values{"ns": "team-a"}},
		"both":                  {Claims{"kubernetes.io": map[string]any{"namespace": "team-a"}, "x": json.Number("74")}, access.Values{"ns": "team-a", "other": "74"}},
		"a truth value":         {Claims{"x": true}, access.Values{"other": "true"}},
		"a list of one":         {Claims{"x": []any{"a"}}, access.Values{"other": "a"}},
		"a list of two":         {Claims{"x": []any{"a", "b"}}, access.Values{}},
		"an object":             {Claims{"x": map[string]any{"a": "b"}}, access.Values{}},
		"a path":                {Claims{"x": "a/b"}, access.Values{}},
		"a wildcard":            {Claims{"x": "*"}, access.Values{}},
		"nothing":               {Claims{}, access.Values{}},
		"an empty text":         {Claims{"x": ""}, access.Values{}},
		"another with the path": {Claims{"kubernetes.io/namespace": "mine", "kubernetes.io": map[string]any{"namespace": "team-a"}}, access.Values{"ns": "mine"}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.want, b.Values(tc.claims), "of the token")
			encoded, err := json.Marshal(b.Keep(tc.claims))
			require.NoError(t, err)
			var kept []KeptClaim
			require.NoError(t, json.Unmarshal(encoded, &kept))
			assert.Equal(t, tc.want, b.Values(ClaimsOf(kept)), "of what was kept")
		})
	}
	assert.Empty(t, exposing(t).Values(Claims{"x": "a"}), "nothing is exposed")
	kept := b.Keep(Claims{"kubernetes.io": map[string]any{"namespace": "team-a"}, "x": "b"})
	assert.Equal(t, []KeptClaim{{kubernetesNamespace, []string{"team-a"}}, {"x", []string{"b"}}}, kept, "each claim is kept once")
	other := exposing(t, "ns=x")
	assert.Equal(t, access.Values{"ns": "b"}, other.Values(ClaimsOf(kept)), "a session has what its binding exposes by now")
	assert.Empty(t, exposing(t, "ns=never-kept").Values(ClaimsOf(kept)))
}

// TestBindingOfAWholeCluster: whoever may make a namespace gets its own there, and so
// is no stranger.
func TestBindingOfAWholeCluster(t *testing.T) {
	for name, tc := range map[string]struct {
		may, expose, scopes string
		err                 error
		says                []string
	}{
		"each its own to pull":              {may: "namespace:{ns}:pull", expose: "ns=kubernetes.io/namespace"},
		"each its own to push":              {may: "namespace:{ns}:push", expose: "ns=kubernetes.io/namespace"},
		"and a base for all":                {may: "namespace:{ns}:push namespace:base:pull", expose: "ns=kubernetes.io/namespace"},
		"and a place to push for all":       {may: "namespace:{ns}:pull namespace:base:push", expose: "ns=kubernetes.io/namespace", err: ErrUnprotected},
		"by its scopes":                     {may: "namespace:base:push repository:**:*", scopes: "namespace:{ns}:push", expose: "ns=kubernetes.io/namespace"},
		"exposed, and never named":          {may: "namespace:base:pull", expose: "ns=kubernetes.io/namespace", err: ErrUnprotected},
		"named, and not exposed":            {may: "namespace:{ns}:pull", err: ErrUnprotected},
		"by what everybody chooses":         {may: "namespace:{ns}:pull", expose: "ns=kubernetes.io/serviceaccount/name", err: ErrUnprotected},
		"one more that is not exposed":      {may: "namespace:{ns}:pull namespace:x/{pod}:pull", expose: "ns=kubernetes.io/namespace", says: []string{"nothing is exposed as {pod}: add --expose pod=CLAIM"}},
		"one more that nobody names":        {may: "namespace:{ns}:pull", expose: "ns=kubernetes.io/namespace pod=kubernetes.io/pod/name", says: []string{"{pod} stands for kubernetes.io/pod/name, and no permission of robot:k8s has it"}},
		"a claim that no token has":         {may: "namespace:{ns}:pull namespace:{x}:pull", expose: "ns=kubernetes.io/namespace x=kubernetes.io/pods/name", says: []string{"kubernetes.io/pods/name"}},
		"only the catalog beside its own":   {may: "namespace:{ns}:pull registry:catalog:*", expose: "ns=kubernetes.io/namespace"},
		"delete where everybody may delete": {may: "namespace:{ns}:pull namespace:base:delete", expose: "ns=kubernetes.io/namespace", err: ErrUnprotected},
	} {
		t.Run(name, func(t *testing.T) {
			b := exposing(t, strings.Fields(tc.expose)...)
			b.Scopes = permissions(t, strings.Fields(tc.scopes)...)
			require.NoError(t, b.Validate())
			warnings, err := CheckBinding(Issuer{Name: "k8s", URL: issuerURLs[Kubernetes], Kind: Kubernetes}, b, permissions(t, strings.Fields(tc.may)...))
			if tc.err != nil {
				require.ErrorIs(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Len(t, warnings, len(tc.says), "%v", warnings)
			for i, says := range tc.says {
				assert.Contains(t, string(warnings[i]), says)
			}
		})
	}
}
