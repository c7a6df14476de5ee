// Package charttest tests the chart in examples/helm: what it makes of each of its files of values is decoded as strictly as an API
// server does.
package charttest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/kubernetes/internal/render"
	"github.com/dockit-registry/dockit/state"
)

const folder = "../../examples/helm/dockit"

func valuesOf(t *testing.T, text string) map[string]any {
	t.Helper()
	values := map[string]any{}
	require.NoError(t, yaml.Unmarshal([]byte(text), &values))
	return values
}

// decoder reads objects by their published types, and refuses what these do not have.
var decoder = sync.OnceValue(func() runtime.Decoder {
	known := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(known))
	utilruntime.Must(monitoringv1.AddToScheme(known))
	return serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
})

// objects are those of documents, by kind and name, and of one name in several namespaces by that, too. Kinds of cert-manager and the Gateway API are nil: what they may be
// is in their schemas.
func objects(t *testing.T, documents []string) map[string]runtime.Object {
	t.Helper()
	all := map[string]runtime.Object{}
	for _, document := range documents {
		var head struct {
			APIVersion, Kind string
			Metadata         struct{ Name, Namespace string }
		}
		require.NoError(t, yaml.Unmarshal([]byte(document), &head), document)
		name := head.Kind + " " + head.Metadata.Name
		if _, ok := all[name]; ok { // in another namespace
			name = head.Kind + " " + head.Metadata.Namespace + "/" + head.Metadata.Name
			require.NotContains(t, all, name)
		}
		if group, _, _ := strings.Cut(head.APIVersion, "/"); group == "cert-manager.io" || group == "gateway.networking.k8s.io" {
			all[name] = nil
			continue
		}
		object, _, err := decoder().Decode([]byte(document), nil, nil)
		require.NoError(t, err, document)
		all[name] = object
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
		case *appsv1.DaemonSet:
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
	for _, file := range valueFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			rendered, err := render.Chart(folder, valuesOf(t, string(content)))
			require.NoError(t, err)
			all := objects(t, render.Manifests(rendered))
			if filepath.Base(file) == "elsewhere-values.yaml" {
				require.NotContains(t, all, "Deployment dockit")
				require.Contains(t, all, "Deployment dockit-pull-secrets")
			} else {
				require.Contains(t, all, "Deployment dockit")
			}
			for name, pod := range podsOf(all) {
				secure(t, name, pod)
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

// TestChartRefuses guards that what does not fit together is said before anything is made.
func TestChartRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"replicas: 2":                                     "sqlite, which belongs to one replica",
		"database: {dialect: mysql}":                      "name the secret that holds the data source name",
		"database: {dialect: postgres}":                   "dialect",
		"httpRoute: {enabled: true}":                      "which gateway",
		"cluster: {namespaces: {enabled: true}}":          "needs cluster.trust",
		"cluster: {namespaces: {session: 6 hours}}":       "session",
		"cluster: {issuerURL: http://kubernetes}":         "issuerURL",
		"colour: red":                                     "colour",
		"settings: {PATH: x}":                             "PATH",
		"image: {digest: latest}":                         "digest",
		"registry: {realm: https://registry.test}":        "realm",
		"pullSecrets: {registries: [\"https://a.test\"]}": "registries",
		"pullSecrets: {namespaces: [\"team-*\"]}":         "namespaces",
		"pullSecrets: {serviceAccounts: [\"*\"]}":         "serviceAccounts",
		"credentialProvider: {enabled: true}":             "kubeletAudiences lists it",
		"credentialProvider: {platform: gke}":             "platform",
		"credentialProvider: {server: http://dockit}":     "server",
		"settings: {DOCKIT_ISSUER: a}":                    "use issuer",
		"certificate: {enabled: true}":                    "for which host",
		"cluster: {bearer: sometimes}":                    "bearer",
		"enabled: false\npullSecrets: {enabled: true}":    "pullSecrets.server",
		"pullSecrets: {ca: {configMap: a, secret: b}}":    "not both",
		"pullSecrets: {services: {other.test: a}}":        "none of pullSecrets.registries",
		"pullSecrets: {ca: {key: ../a}}":                  "key",
		"pullSecrets: {ca: {key: ..}}":                    "key",
		"pullSecrets: {enabled: true, ca: {secret: a}}":   "without https",
		"pullSecrets: {enabled: true, server: \"http://dockit.registry.svc:4315\", ca: {configMap: a}}":                       "without https",
		"pullSecrets: {enabled: true, metrics: {rules: {enabled: true}}}":                                                     "needs pullSecrets.metrics.podMonitor.enabled",
		"pullSecrets: {metrics: {podMonitor: {enabled: true}}}":                                                               "set pullSecrets.enabled",
		"metrics: {enabled: false, rules: {enabled: true}}":                                                                   "need metrics.enabled",
		"metrics: {enabled: false, serviceMonitor: {enabled: true}}":                                                          "need metrics.enabled",
		"enabled: false\ncluster: {trust: true}":                                                                              "dockit-kubernetes trust",
		"kubeletAudiences: [https://registry.example.com]\ncredentialProvider: {enabled: true, registries: [a.test, b.test]}": "which Dockit is asked",
	} {
		_, err := render.Chart(folder, valuesOf(t, text))
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
		rendered, err := render.Chart(folder, valuesOf(t, text))
		require.NoError(t, err)
		all := objects(t, render.Manifests(rendered))
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
	rendered, err := render.Chart(folder, valuesOf(t, "pullSecrets: {enabled: true}"))
	require.NoError(t, err)
	pods := podsOf(objects(t, render.Manifests(rendered)))
	c, err := loader.Load(folder)
	require.NoError(t, err)
	version := c.Metadata.AppVersion
	assert.Equal(t, "ghcr.io/dockit-registry/dockit:"+version, pods["Deployment dockit"].Containers[0].Image)
	secrets := pods["Deployment dockit-pull-secrets"].Containers[0]
	assert.Equal(t, "ghcr.io/dockit-registry/dockit-kubernetes:"+version, secrets.Image)
	assert.Equal(t, "pull-secrets", secrets.Args[0], "a command of the image's entrypoint")
	assert.Contains(t, stage, "EXPOSE "+strconv.Itoa(int(secrets.Ports[0].ContainerPort))+"\n")
}

// TestChartTestsTokens guards that helm test has a token issued for every service, as nobody, in a pod as restricted as the others.
func TestChartTestsTokens(t *testing.T) {
	rendered, err := render.Chart(folder, valuesOf(t, "services: [registry.example.com, Docker Hub mirror, \"a: b\"]"))
	require.NoError(t, err)
	pod := podsOf(objects(t, render.Manifests(rendered)))["Pod dockit-ready"]
	secure(t, "Pod dockit-ready", pod)
	assert.Equal(t, []string{"health", "http://dockit:4315", "--token-for=registry.example.com", "--token-for=Docker Hub mirror", "--token-for=a: b"}, pod.Containers[0].Args)
}

// TestChartIsLinted guards what helm lint says of every file of values.
func TestChartIsLinted(t *testing.T) {
	for _, file := range valueFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, message := range lint.RunAll(folder, valuesOf(t, string(content)), render.Namespace).Messages {
				assert.Less(t, message.Severity, support.WarningSev, "%v", message)
			}
		})
	}
	wrong := lint.RunAll(folder, valuesOf(t, "replicas: none"), render.Namespace)
	assert.Equal(t, support.ErrorSev, wrong.HighestSeverity, "values are looked at")
}

// valueFiles are those that the chart is tried with.
func valueFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "ci", "*-values.yaml"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 10)
	return files
}

// TestChartMakesTheStateOfACluster guards that the values of a cluster come to a document with its issuer and binding.
func TestChartMakesTheStateOfACluster(t *testing.T) {
	rendered, err := render.Chart(folder, valuesOf(t, "cluster: {trust: true, namespaces: {enabled: true}}\nstate: {robots: [{name: ci}]}"))
	require.NoError(t, err)
	all := objects(t, render.Manifests(rendered))
	document := stateOf(t, all)
	require.NotNil(t, document)
	assert.Len(t, document.Subjects, 2)
	assert.Equal(t, "/run/secrets/cluster/token", document.Issuers[0].BearerFile)
	assert.Equal(t, "k8s.namespace=kubernetes.io/namespace", document.Bindings[0].Expose[0].String())
	assert.Contains(t, all, "ClusterRoleBinding registry-dockit-issuer-discovery")
}
