package login

import (
	"bytes"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNamesOfOthersAreNotAskedFor guards that a registry which calls itself like
// another does not get tokens that are good there.
func TestNamesOfOthersAreNotAskedFor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		registry, realm, service, chosen string
		want                             []string
		warns                            bool
		says                             string
	}{
		"after the registry":       {"registry.example.com", "https://auth.example.org/v2/token", "registry.example.com", "", []string{"registry.example.com", "https://registry.example.com"}, false, ""},
		"after it, with a port":    {"registry.example.com:5000", "https://auth.example.org/v2/token", "Registry.example.com:5000", "", []string{"Registry.example.com:5000", "https://Registry.example.com:5000"}, false, ""},
		"after its address":        {"registry.example.com", "https://a.example.org/", "https://registry.example.com/v2", "", []string{"https://registry.example.com/v2", "https://https://registry.example.com/v2"}, false, ""},
		"within its domain":        {"pull.example.com", "https://auth.example.org/", "registry.example.com", "", []string{"registry.example.com", "https://registry.example.com"}, false, ""},
		"another's, and its realm": {"10.0.0.7", "https://auth.example.com/v2/token", "auth.example.com", "", nil, false, "another's name"},
		"another's":                {"registry.example.org", "https://registry.example.org/v2/token", "registry.example.com", "", nil, false, "another's name: a token for that was not sent to registry.example.org"},
		"another's, with a realm":  {"registry.example.org", "https://auth.example.com/v2/token", "registry.example.com", "", nil, false, "another's name"},
		"another's on a platform":  {"mallory.github.io", "https://mallory.github.io/v2/token", "alice.github.io", "", nil, false, "another's name"},
		"another's address":        {"10.0.0.7", "https://10.0.0.7/v2/token", "10.0.0.8:5000", "", nil, false, "another's name"},
		"another's as a URL":       {"registry.example.org", "https://registry.example.org/v2/token", "https://registry.example.com", "", nil, false, "another's name"},
		"another's with a dot":     {"registry.example.org", "https://registry.example.org/v2/token", "registry.example.com.", "", nil, false, "another's name"},
		"another's on a tunnel":    {"localhost:5000", "http://localhost:4315/v2/token", "registry.example.com", "", nil, false, `log in with --audience "registry.example.com"`},
		"another's, and chosen":    {"localhost:5000", "http://localhost:4315/v2/token", "registry.example.com", "registry.example.com", []string{"registry.example.com"}, false, ""},
		"anybody's":                {"registry.example.com", "https://auth.example.com/v2/token", "registry", "", []string{"registry", "https://registry"}, true, ""},
		"anybody's, in words":      {"registry.example.com", "https://auth.example.com/v2/token", "Our registry v1.2", "", []string{"Our registry v1.2", "https://Our registry v1.2"}, true, ""},
		"sites of packages":        {"registry.example.org", "https://registry.example.org/", "PyPI", "", nil, false, "by which others than registries take tokens"},
		"signatures":               {"registry.example.org", "https://registry.example.org/", "sigstore", "", nil, false, "by which others than registries take tokens"},
		"a cloud's":                {"registry.example.org", "https://registry.example.org/", "api://AzureADTokenExchange", "", nil, false, "by which others than registries take tokens"},
		"an address without dots":  {"registry.example.org", "https://registry.example.org/", "https://vault", "", nil, false, "by which others than registries take tokens"},
		"a workload's":             {"registry.example.org", "https://registry.example.org/", "spiffe://prod/x", "", nil, false, `log in with --audience "spiffe://prod/x"`},
		"sites of packages, asked": {"registry.example.org", "https://registry.example.org/", "pypi", "pypi", []string{"pypi"}, false, ""},
		"another namespace's":      {"reg.team-a.svc.cluster.local", "https://reg.team-a.svc.cluster.local/", "registry.prod.svc.cluster.local", "", nil, false, "another's name"},
		"anybody's, and chosen":    {"registry.example.com", "https://auth.example.com/v2/token", "registry", "mine", []string{"mine"}, false, ""},
		"anybody's, on this place": {"localhost:5000", "http://localhost:4315/v2/token", "registry", "", []string{"registry", "https://registry"}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry, err := parseTarget(tc.registry)
			require.NoError(t, err)
			realm, err := url.Parse(tc.realm)
			require.NoError(t, err)
			var warnings bytes.Buffer
			got, err := place{realm, tc.service}.audiences(registry, tc.chosen, &warnings)
			assert.Equal(t, tc.want, got)
			if tc.says != "" {
				require.ErrorContains(t, err, tc.says)
			} else {
				require.NoError(t, err)
			}
			if tc.warns {
				assert.Contains(t, warnings.String(), "Warning: the service of registry.example.com is called")
			} else {
				assert.Empty(t, warnings.String())
			}
		})
	}
}
