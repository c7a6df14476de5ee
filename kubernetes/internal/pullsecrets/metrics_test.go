package pullsecrets

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMetricsAreDocumented guards that the guide has every metric and no other, and that the alerts ask for metrics that there are.
func TestMetricsAreDocumented(t *testing.T) {
	registry := prometheus.NewRegistry()
	NewMetrics(registry)
	families, err := registry.Gather()
	require.NoError(t, err)
	var known []string
	for _, family := range families {
		known = append(known, family.GetName())
	}
	require.NotEmpty(t, known)
	named := func(path, pattern string) []string {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		var names []string
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(content), -1) {
			names = append(names, match[1])
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	assert.Equal(t, known, named("../../../docs/guides/kubernetes.md", "(?m)^\\| `(dockit_pull_secrets_\\w+)`"))
	asked := named("../../../examples/monitoring/alerts-pull-secrets.yml", `\b(dockit_pull_secrets_\w+)`)
	require.NotEmpty(t, asked)
	assert.Subset(t, known, asked)
}
