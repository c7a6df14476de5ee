package dockit

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// described are the labels of every metric, by its name.
func described(t *testing.T) map[string][]string {
	t.Helper()
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		for _, collector := range slices.Concat(requestMetrics.Collectors(), loginMetrics.Collectors(), []prometheus.Collector{keyMetrics, databaseMetrics, buildInfo}) {
			collector.Describe(descriptions)
		}
	}()
	metrics := make(map[string][]string)
	for description := range descriptions {
		match := regexp.MustCompile(`fqName: "(\w+)".*constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`).FindStringSubmatch(description.String())
		require.NotNil(t, match, description.String())
		labels := strings.FieldsFunc(match[3], func(r rune) bool { return r == ',' })
		for _, constant := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(match[2], -1) {
			labels = append(labels, constant[1])
		}
		metrics[match[1]] = labels
	}
	require.Greater(t, len(metrics), 30)
	return metrics
}

// TestMetricsHaveBoundedLabels guards that nothing of which there can be any number is a label.
func TestMetricsHaveBoundedLabels(t *testing.T) {
	allowed := []string{"service", "grant", "outcome", "reason", "issuer", "kind", "result", "within", "version", "commit", "go_version", "caddy_version"}
	for name, labels := range described(t) {
		assert.Subset(t, allowed, labels, name)
	}
}

// TestMetricsAreDocumented compares the table of the documentation with what there is.
func TestMetricsAreDocumented(t *testing.T) {
	content, err := os.ReadFile("docs/operation.md")
	require.NoError(t, err)
	documented := make(map[string]string)
	for _, match := range regexp.MustCompile("`(dockit_\\w+)(?:\\{([\\w,]+)\\})?`").FindAllStringSubmatch(rows(string(content)), -1) {
		documented[match[1]] = match[2]
	}
	for name, labels := range described(t) {
		said, found := documented[name]
		if assert.True(t, found, "%s is not in the table of docs/operation.md", name) {
			assert.ElementsMatch(t, labels, strings.FieldsFunc(said, func(r rune) bool { return r == ',' }), name)
		}
		delete(documented, name)
	}
	assert.Empty(t, documented, "there are no such metrics")
}

// rows are the first cells of the table of metrics.
func rows(content string) string {
	var cells strings.Builder
	for _, match := range regexp.MustCompile("(?m)^\\| (`dockit_[^|]+)\\|").FindAllStringSubmatch(content, -1) {
		cells.WriteString(match[1])
	}
	return cells.String()
}

// TestMonitoringExample guards that alerts and dashboard ask for metrics that there are, and that each alert has a
// runbook and a test.
func TestMonitoringExample(t *testing.T) {
	const folder = "examples/monitoring/"
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	runbooks, err := os.ReadFile("docs/runbooks.md")
	require.NoError(t, err)
	var queries, names []string
	// The metrics that the alerts of pull secrets ask for are those of another module, which looks at them.
	for _, file := range []string{"alerts", "alerts-pull-secrets"} {
		content, err := os.ReadFile(folder + file + ".yml")
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(content, &rules))
		tests, err := os.ReadFile(folder + file + "_test.yml")
		require.NoError(t, err)
		for _, rule := range rules.Groups[0].Rules {
			names = append(names, rule.Alert)
			if file == "alerts" {
				queries = append(queries, rule.Expr)
			}
			anchor, ours := strings.CutPrefix(rule.Annotations["runbook_url"], "https://github.com/dockit-registry/dockit/blob/main/docs/runbooks.md#")
			assert.True(t, ours && anchor == strings.ToLower(rule.Alert), "%s has its runbook at %s", rule.Alert, rule.Annotations["runbook_url"])
			assert.Contains(t, string(runbooks), "\n## "+rule.Alert+"\n")
			assert.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
			assert.Contains(t, []string{"critical", "warning", "info"}, rule.Labels["severity"], rule.Alert)
			assert.Contains(t, string(tests), `alertname="`+rule.Alert+`"`, "%s_test.yml has nothing that makes it fire", file)
		}
	}
	for _, match := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(string(runbooks), -1) {
		assert.Contains(t, names, match[1], "a runbook of no alert")
	}

	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	content, err := os.ReadFile(folder + "dashboard.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &dashboard))
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			assert.Contains(t, target.Expr, `job="$job"`, panel.Title)
			queries = append(queries, target.Expr)
		}
	}
	assert.Greater(t, len(queries), 40)

	known := described(t)
	asked := make(map[string]bool)
	for _, query := range queries {
		for _, name := range regexp.MustCompile(`\bdockit_\w+`).FindAllString(query, -1) {
			name = strings.TrimSuffix(name, "_bucket")
			asked[name] = true
			assert.Contains(t, known, name, query)
		}
	}
	for name := range known {
		if !strings.HasSuffix(name, "_expiry_timestamp_seconds") && name != "dockit_password_check_slots" && name != "dockit_pki_file_reloads_total" {
			assert.True(t, asked[name], "%s is neither in the dashboard nor in an alert", name)
		}
	}
}
