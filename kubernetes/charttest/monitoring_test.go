package charttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/dockit-registry/dockit/kubernetes/internal/render"
)

// TestAlertsOfTheChartAreThoseOfTheExample guards that what promtool tests is what the chart has, since it can read no file beside itself.
func TestAlertsOfTheChartAreThoseOfTheExample(t *testing.T) {
	for _, name := range []string{"alerts.yml", "alerts-pull-secrets.yml"} {
		alerts, err := os.ReadFile(filepath.Join("../../examples/monitoring", name))
		require.NoError(t, err)
		copied, err := os.ReadFile(filepath.Join(folder, "files", name))
		require.NoError(t, err)
		assert.Equal(t, string(alerts), string(copied), "cp examples/monitoring/%s examples/helm/dockit/files/", name)
	}
}

// TestMonitorsFindWhatServesMetrics guards that the monitors choose the service and the pods of the chart by a port that these have,
// and that the alerts name the jobs which an operator makes of the monitors, whatever the release is called.
func TestMonitorsFindWhatServesMetrics(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(folder, "ci", "monitoring-values.yaml"))
	require.NoError(t, err)
	for release, name := range map[string]string{"dockit": "dockit", "prod": "prod-dockit"} {
		made, err := render.ChartAs(folder, release, render.Namespace, valuesOf(t, string(content)))
		require.NoError(t, err)
		all := objects(t, render.Manifests(made))

		monitor := all["ServiceMonitor "+name].(*monitoringv1.ServiceMonitor)
		assert.Empty(t, monitor.Spec.JobLabel, "the job is called as the service")
		var served []string
		for _, object := range all {
			if service, ok := object.(*v1.Service); ok && labels.SelectorFromSet(monitor.Spec.Selector.MatchLabels).Matches(labels.Set(service.Labels)) {
				for _, port := range service.Spec.Ports {
					if port.Name == monitor.Spec.Endpoints[0].Port {
						served = append(served, service.Name)
					}
				}
			}
		}
		assert.Equal(t, []string{name}, served)
		assert.Contains(t, expressions(t, all["PrometheusRule "+name]), `up{job="`+name+`"} == 0`)

		pods := all["PodMonitor "+name+"-pull-secrets"].(*monitoringv1.PodMonitor)
		assert.Empty(t, pods.Spec.JobLabel, "the job is called as the monitor")
		chosen := labels.SelectorFromSet(pods.Spec.Selector.MatchLabels)
		template := templateOf(t, all["Deployment "+name+"-pull-secrets"])
		assert.True(t, chosen.Matches(labels.Set(template.Labels)))
		assert.False(t, chosen.Matches(labels.Set(templateOf(t, all["Deployment "+name]).Labels)), "the server has a monitor of its own")
		assert.Equal(t, template.Spec.Containers[0].Ports[0].Name, *pods.Spec.PodMetricsEndpoints[0].Port)
		assert.Equal(t, "15s", string(pods.Spec.PodMetricsEndpoints[0].Interval))
		assert.Equal(t, "prometheus", pods.Labels["release"])
		rules := expressions(t, all["PrometheusRule "+name+"-pull-secrets"])
		assert.Contains(t, rules, `absent(dockit_pull_secrets_leads{job="`+render.Namespace+"/"+name+`-pull-secrets"} == 1)`)
		assert.Equal(t, 1, strings.Count(rules, "job="), "each job that an alert names is that of the release")
	}
}

// expressions are those of all alerts.
func expressions(t *testing.T, object any) string {
	t.Helper()
	rule := object.(*monitoringv1.PrometheusRule)
	var all []string
	for _, r := range rule.Spec.Groups[0].Rules {
		all = append(all, r.Expr.String())
	}
	require.NotEmpty(t, all)
	return strings.Join(all, "\n")
}

func templateOf(t *testing.T, object any) v1.PodTemplateSpec {
	t.Helper()
	deployment, ok := object.(*appsv1.Deployment)
	require.True(t, ok)
	return deployment.Spec.Template
}
