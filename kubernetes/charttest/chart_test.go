// Package charttest tests the chart in examples/helm: what it makes of each of its files of values is decoded as strictly as an API
// server does.
package charttest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/state"
)

const folder = "../../examples/helm/dockit"

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(folder)
	require.NoError(t, err)
	return c
}

// render is what the chart makes of values, by the names of templates.
func render(t *testing.T, values map[string]any) (map[string]string, error) {
	t.Helper()
	c := load(t)
	all, err := util.ToRenderValues(c, values, common.ReleaseOptions{Name: "dockit", Namespace: "registry", Revision: 1, IsInstall: true}, nil)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

func valuesOf(t *testing.T, text string) map[string]any {
	t.Helper()
	values := map[string]any{}
	require.NoError(t, yaml.Unmarshal([]byte(text), &values))
	return values
}

// objects are those of what was rendered. Kinds that Kubernetes does not bring itself are left out.
func objects(t *testing.T, rendered map[string]string) map[string]runtime.Object {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	all := map[string]runtime.Object{}
	for name, text := range rendered {
		if strings.HasSuffix(name, ".txt") || strings.HasSuffix(name, ".tpl") {
			continue
		}
		for document := range strings.SplitSeq("\n"+text, "\n---") {
			var head struct {
				APIVersion, Kind string
				Metadata         struct{ Name string }
			}
			require.NoError(t, yaml.Unmarshal([]byte(document), &head), "%s:\n%s", name, document)
			if head.Kind == "" {
				continue
			}
			if group, _, _ := strings.Cut(head.APIVersion, "/"); strings.Contains(group, ".") && !strings.HasSuffix(group, "k8s.io") || group == "gateway.networking.k8s.io" {
				all[head.Kind+" "+head.Metadata.Name] = nil
				continue
			}
			object, _, err := decoder.Decode([]byte(document), nil, nil)
			require.NoError(t, err, "%s:\n%s", name, document)
			all[head.Kind+" "+head.Metadata.Name] = object
		}
	}
	return all
}

// podsOf are the pods of objects.
func podsOf(all map[string]runtime.Object) map[string]v1.PodSpec {
	pods := map[string]v1.PodSpec{}
	for name, object := range all {
		switch o := object.(type) {
		case *appsv1.Deployment:
			pods[name] = o.Spec.Template.Spec
		case *batchv1.Job:
			pods[name] = o.Spec.Template.Spec
		case *v1.Pod:
			pods[name] = o.Spec
		}
	}
	return pods
}

// TestChart guards that every file of values gives objects without a field that is unknown, and pods that the
// restricted level of Pod Security takes.
func TestChart(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(folder, "ci", "*-values.yaml"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 10)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			rendered, err := render(t, valuesOf(t, string(content)))
			require.NoError(t, err)
			all := objects(t, rendered)
			require.Contains(t, all, "Deployment dockit")
			for name, pod := range podsOf(all) {
				restricted(t, name, pod)
			}
			stateOf(t, all)
		})
	}
}

// stateOf is the state document among objects, as Dockit reads it, or nil.
func stateOf(t *testing.T, all map[string]runtime.Object) *state.Document {
	t.Helper()
	secret, ok := all["Secret dockit-state"].(*v1.Secret)
	if !ok {
		return nil
	}
	document, err := state.Parse(strings.NewReader(secret.StringData["state.yaml"]))
	require.NoError(t, err, "%s", secret.StringData["state.yaml"])
	return document
}

// restricted is what the restricted level of Pod Security asks for, and a bit more.
func restricted(t *testing.T, name string, pod v1.PodSpec) {
	t.Helper()
	require.NotNil(t, pod.SecurityContext, name)
	assert.True(t, *pod.SecurityContext.RunAsNonRoot, name)
	assert.Equal(t, v1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type, name)
	assert.False(t, pod.HostNetwork || pod.HostPID || pod.HostIPC, name)
	assert.Equal(t, strings.Contains(name, "pull-secrets"), *pod.AutomountServiceAccountToken, "%s: a token is mounted where one is needed alone", name)
	for _, volume := range pod.Volumes {
		assert.Nil(t, volume.HostPath, name)
	}
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		require.NotNil(t, c.SecurityContext, "%s: %s", name, c.Name)
		assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation, "%s: %s", name, c.Name)
		assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, "%s: %s", name, c.Name)
		assert.Equal(t, []v1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, "%s: %s", name, c.Name)
		assert.Contains(t, c.Resources.Limits, v1.ResourceMemory, "%s: %s", name, c.Name)
	}
}

// TestChartRefuses guards that what does not fit together is said before anything is made.
func TestChartRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"replicas: 2":                                     "sqlite, which belongs to one replica",
		"database: {dialect: mysql}":                      "name the secret that holds the data source name",
		"database: {dialect: postgres}":                   "dialect",
		"httpRoute: {enabled: true}":                      "which gateway",
		"cluster: {namespaces: {enabled: true}}":          "needs cluster.trust",
		"cluster: {issuerURL: http://kubernetes}":         "issuerURL",
		"colour: red":                                     "colour",
		"settings: {PATH: x}":                             "PATH",
		"image: {digest: latest}":                         "digest",
		"registry: {realm: https://registry.test}":        "realm",
		"pullSecrets: {registries: [\"https://a.test\"]}": "registries",
	} {
		_, err := render(t, valuesOf(t, text))
		require.ErrorContains(t, err, says, text)
	}
}

// TestChartShowsItsRegistry guards that the page shows the registry of the chart, unless values say another or its service is none
// of Dockit's, with which Dockit would not start.
func TestChartShowsItsRegistry(t *testing.T) {
	for text, want := range map[string][]string{
		"{}":                        nil,
		"registry: {enabled: true}": {"registry.example.com=http://dockit-registry:5000"},
		"registry: {enabled: true, service: other.example.com}":                                                   nil,
		"registry: {enabled: true}\nsettings: {DOCKIT_REGISTRY: \"registry.example.com=https://elsewhere.test\"}": {"registry.example.com=https://elsewhere.test"},
	} {
		rendered, err := render(t, valuesOf(t, text))
		require.NoError(t, err)
		all := objects(t, rendered)
		var got []string
		for _, variable := range podsOf(all)["Deployment dockit"].Containers[0].Env {
			if variable.Name == "DOCKIT_REGISTRY" {
				got = append(got, variable.Value)
			}
		}
		assert.Equal(t, want, got, text)
		if len(want) > 0 && strings.Contains(want[0], "dockit-registry") {
			assert.Contains(t, all, "Service dockit-registry", text)
		}
	}
}

// TestChartNamesImagesOfThisRepository guards that the images are those of the Dockerfile: the last stage is dockit, and the target
// kubernetes what pull-secrets runs.
func TestChartNamesImagesOfThisRepository(t *testing.T) {
	dockerfile, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	_, stage, found := strings.Cut(string(dockerfile), "\nFROM scratch AS kubernetes\n")
	require.True(t, found)
	stage, _, _ = strings.Cut(stage, "\nFROM ")
	assert.Contains(t, stage, `ENTRYPOINT ["dockit-kubernetes"]`)
	assert.Contains(t, stage, "USER 65532:65532\n")
	rendered, err := render(t, valuesOf(t, "pullSecrets: {enabled: true}"))
	require.NoError(t, err)
	pods := podsOf(objects(t, rendered))
	version := load(t).Metadata.AppVersion
	assert.Equal(t, "ghcr.io/dockit-registry/dockit:"+version, pods["Deployment dockit"].Containers[0].Image)
	secrets := pods["Deployment dockit-pull-secrets"].Containers[0]
	assert.Equal(t, "ghcr.io/dockit-registry/dockit-kubernetes:"+version, secrets.Image)
	assert.Equal(t, "pull-secrets", secrets.Args[0], "a command of the image's entrypoint")
	assert.Contains(t, stage, "EXPOSE "+strconv.Itoa(int(secrets.Ports[0].ContainerPort))+"\n")
}

// TestChartIsLinted guards what helm lint says.
func TestChartIsLinted(t *testing.T) {
	for _, message := range lint.RunAll(folder, map[string]any{}, "registry").Messages {
		assert.Less(t, message.Severity, support.WarningSev, "%v", message)
	}
}

// TestChartMakesTheStateOfACluster guards that the values of a cluster come to a document with its issuer and binding.
func TestChartMakesTheStateOfACluster(t *testing.T) {
	rendered, err := render(t, valuesOf(t, "cluster: {trust: true, namespaces: {enabled: true}}\nstate: {robots: [{name: ci}]}"))
	require.NoError(t, err)
	all := objects(t, rendered)
	document := stateOf(t, all)
	require.NotNil(t, document)
	assert.Len(t, document.Subjects, 2)
	assert.Equal(t, "/run/secrets/cluster/token", document.Issuers[0].BearerFile)
	assert.Equal(t, "k8s.namespace=kubernetes.io/namespace", document.Bindings[0].Expose[0].String())
	assert.Contains(t, all, "ClusterRoleBinding registry-dockit-issuer-discovery")

	alerts, err := os.ReadFile("../../examples/monitoring/alerts.yml")
	require.NoError(t, err)
	copied, err := os.ReadFile(filepath.Join(folder, "files", "alerts.yml"))
	require.NoError(t, err)
	assert.Equal(t, string(alerts), string(copied), "cp examples/monitoring/alerts.yml examples/helm/dockit/files/")
}
