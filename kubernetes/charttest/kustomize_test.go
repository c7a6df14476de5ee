package charttest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/kubernetes/internal/render"
)

// base is the kustomization, and baseNamespace the namespace that it names.
const (
	base          = "../../examples/kustomize"
	baseNamespace = "dockit"
)

// overlays are choices of components, by the values of the chart that make the same.
var overlays = []struct {
	values     string
	components []string
}{
	{"{}", nil},
	{"kubeletAudiences: [https://registry.example.com]", []string{"kubelet-audiences"}},
	{"pullSecrets: {enabled: true}", []string{"pull-secrets"}},
	{
		"pullSecrets: {enabled: true, metrics: {podMonitor: {enabled: true}, rules: {enabled: true}}}", []string{"pull-secrets", "pull-secrets-monitoring"},
	},
	{"metrics: {serviceMonitor: {enabled: true}, rules: {enabled: true}}", []string{"monitoring"}},
	{"{replicas: 2, database: {dialect: mysql, existingSecret: dockit-database}}", []string{"mysql"}},
	{"{autoscaling: {enabled: true}, database: {dialect: mysql, existingSecret: dockit-database}}", []string{"mysql", "autoscaling"}},
	{"ingress: {enabled: true, tlsSecret: registry-tls}", []string{"ingress"}},
	{"{ingress: {enabled: true}, certificate: {enabled: true}}", []string{"ingress", "certificate"}},
	{
		"{httpRoute: {enabled: true, parentRefs: [{name: public, namespace: gateways}]}, certificate: {enabled: true}}", []string{"http-route", "certificate"},
	},
	{"registry: {enabled: true}", []string{"registry"}},
	{
		"{registry: {enabled: true}, ingress: {enabled: true, tlsSecret: registry-tls}, httpRoute: {enabled: true, parentRefs: [{name: public, namespace: gateways}]}}",
		[]string{"ingress", "http-route", "registry"},
	},
	{"cluster: {trust: true}", []string{"cluster", "state"}},
	{"state: {robots: [{name: ci}]}", []string{"state"}},
	{
		"{replicas: 2, database: {dialect: mysql, existingSecret: dockit-database}, cluster: {trust: true}, registry: {enabled: true}}",
		[]string{"mysql", "cluster", "state", "registry"},
	},
}

// TestKustomizationIsTheChart guards that base and components make what the chart makes of the values that say the same, but for
// secrets, which kustomize cannot make up, and that no component is left out of this.
func TestKustomizationIsTheChart(t *testing.T) {
	tried := map[string]bool{"common": true}
	for _, overlay := range overlays {
		for _, name := range overlay.components {
			tried[name] = true
		}
		t.Run(strings.Join(append([]string{"base"}, overlay.components...), ","), func(t *testing.T) {
			text, err := render.Overlay(base, "", overlay.components...)
			require.NoError(t, err)
			documents := render.Documents(text)
			valid(t, documents)
			all := objects(t, documents)
			for name, pod := range podsOf(all) {
				secure(t, name, pod)
			}
			assert.Equal(t, "restricted", all["Namespace dockit"].(*v1.Namespace).Labels["pod-security.kubernetes.io/enforce"])
			for _, document := range documents {
				var head struct {
					Metadata struct{ Name string }
				}
				require.NoError(t, yaml.Unmarshal([]byte(document), &head))
				assert.Contains(t, document, "app.kubernetes.io/instance: dockit", "%s has the labels of all", head.Metadata.Name)
			}
			made := essences(t, documents)
			delete(made, "Namespace dockit")
			chart, err := render.ChartAs(folder, render.Release, baseNamespace, valuesOf(t, overlay.values))
			require.NoError(t, err)
			wanted := essences(t, render.Manifests(chart))
			for _, secret := range []string{"Secret dockit", "Secret dockit-state", "Pod dockit-ready"} { // the last is of helm test
				delete(wanted, secret)
			}
			for name, object := range wanted {
				require.Contains(t, made, name)
				assert.Equal(t, object, made[name], name)
			}
			assert.Len(t, made, len(wanted))
		})
	}
	there, err := os.ReadDir(filepath.Join(base, "components"))
	require.NoError(t, err)
	for _, component := range there {
		assert.True(t, tried[component.Name()], "no overlay has the component %s", component.Name())
	}
}

// TestCredentialProvidersAreTheChart guards that the kustomizations of the plugin's installer make what the chart makes for a platform.
func TestCredentialProvidersAreTheChart(t *testing.T) {
	for platform, made := range map[string]string{"k3s": "k3s", "kubeadm": "kubeadm", "kind": "kubeadm", "eks": "eks"} {
		t.Run(platform, func(t *testing.T) {
			text, err := render.Kustomize(filepath.Join(base, "credential-provider", made))
			require.NoError(t, err)
			documents := render.Documents(text)
			valid(t, documents)
			all := objects(t, documents)
			for name, pod := range podsOf(all) {
				secure(t, name, pod)
			}
			require.Len(t, all, 2)
			assert.Equal(t, "privileged", all["Namespace dockit-credential-provider"].(*v1.Namespace).Labels["pod-security.kubernetes.io/enforce"])
			const name = "DaemonSet dockit-credential-provider"
			chart, err := render.Chart(folder, valuesOf(t, "{kubeletAudiences: [https://registry.example.com], credentialProvider: {enabled: true, platform: "+platform+"}}"))
			require.NoError(t, err)
			assert.Equal(t, essences(t, render.Manifests(chart))[name], essences(t, documents)[name])
		})
	}
}

// TestREADMEOfTheKustomization guards that its overlay can be made, and that its table has every component.
func TestREADMEOfTheKustomization(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(base, "README.md"))
	require.NoError(t, err)
	blocks := fence.FindAllStringSubmatch(string(readme), -1)
	require.Len(t, blocks, 2)
	var overlay types.Kustomization
	require.NoError(t, yaml.UnmarshalStrict([]byte(blocks[1][2]), &overlay))
	assert.Equal(t, []string{"../kustomize"}, overlay.Resources)
	var components []string
	for _, path := range overlay.Components {
		name, ok := strings.CutPrefix(path, "../kustomize/components/")
		require.True(t, ok, path)
		components = append(components, name)
	}
	text, err := render.Overlay(base, "", components...)
	require.NoError(t, err)
	for _, image := range overlay.Images {
		assert.Contains(t, text, "image: "+image.Name+":")
	}
	there, err := os.ReadDir(filepath.Join(base, "components"))
	require.NoError(t, err)
	for _, component := range there {
		assert.Equal(t, component.Name() != "common", strings.Contains(string(readme), "\n| `"+component.Name()+"` |"), component.Name())
	}
}

// TestAnotherNamespaceOfAnOverlay guards that an overlay in another namespace has nothing left in the one of the base but what the
// README says: who may do something is the service account that runs.
func TestAnotherNamespaceOfAnOverlay(t *testing.T) {
	text, err := render.Overlay(base, "elsewhere", "pull-secrets", "pull-secrets-monitoring", "monitoring", "cluster", "state", "ingress", "certificate", "registry", "kubelet-audiences")
	require.NoError(t, err)
	documents := render.Documents(text)
	for name, object := range objects(t, documents) {
		switch o := object.(type) {
		case *rbacv1.ClusterRoleBinding:
			if o.Subjects[0].Kind == rbacv1.ServiceAccountKind {
				assert.Equal(t, "elsewhere", o.Subjects[0].Namespace, name)
			}
		case *rbacv1.RoleBinding:
			assert.Equal(t, "elsewhere", o.Subjects[0].Namespace, name)
		}
	}
	var left []string
	for _, document := range documents {
		if strings.Contains(document, "namespace: dockit\n") || strings.Contains(document, ":dockit:") || strings.Contains(document, "dockit/dockit-") {
			var head struct {
				Kind     string
				Metadata struct{ Name string }
			}
			require.NoError(t, yaml.Unmarshal([]byte(document), &head))
			left = append(left, head.Kind+" "+head.Metadata.Name)
		}
	}
	slices.Sort(left)
	assert.Equal(t, []string{"PrometheusRule dockit-pull-secrets", "ValidatingAdmissionPolicy dockit-pull-secrets"}, left)
	readme, err := os.ReadFile(filepath.Join(base, "README.md"))
	require.NoError(t, err)
	for _, name := range left {
		_, of, _ := strings.Cut(name, " ")
		assert.Contains(t, string(readme), of)
	}
}

// essences are what objects are, by kind and name, without what says who made them and where. The chart has the namespace in the
// names of what belongs to none.
func essences(t *testing.T, documents []string) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, document := range documents {
		var object map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(strings.ReplaceAll(document, baseNamespace+"-dockit-", "dockit-")), &object))
		metadata := object["metadata"].(map[string]any)
		name := fmt.Sprint(object["kind"], " ", metadata["name"])
		for _, key := range []string{"labels", "annotations", "namespace"} {
			delete(metadata, key)
		}
		spec, _ := object["spec"].(map[string]any)
		if template, ok := spec["template"].(map[string]any); ok {
			labels := template["metadata"].(map[string]any)["labels"].(map[string]any)
			for _, key := range []string{"app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"} {
				delete(labels, key)
			}
		}
		if object["kind"] == "Job" {
			delete(spec, "ttlSecondsAfterFinished") // instead of a hook of Helm
		}
		require.NotContains(t, all, name)
		all[name] = ordered(t, object)
	}
	return all
}

// ordered is an object whose lists of named things, variables and volumes, are in the order of the names, which means nothing there, and
// whose rules of RBAC are in the order of what they say.
func ordered(t *testing.T, v any) any {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		next := map[string]any{}
		for key, value := range v {
			next[key] = ordered(t, value)
		}
		return next
	case []any:
		next := make([]any, len(v))
		named := len(v) > 0
		for i, one := range v {
			next[i] = ordered(t, one)
			object, _ := one.(map[string]any)
			named = named && (object["name"] != nil || object["verbs"] != nil)
		}
		if named {
			slices.SortFunc(next, func(a, b any) int { return cmp.Compare(said(t, a), said(t, b)) })
		}
		return next
	default:
		return v
	}
}

func said(t *testing.T, v any) string {
	t.Helper()
	content, err := json.Marshal(v)
	require.NoError(t, err)
	return string(content)
}
