//go:build kubeapiserver

package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/kubeapi"
)

// TestManifestsAreTaken has a real API server take every manifest: what the chart makes of each file of values, the kustomization with
// and without its components, the examples, and the guide, as kubectl apply --server-side --dry-run=server does. Certificates, routes and monitors have the definitions
// that are beside the tests of the chart.
func TestManifestsAreTaken(t *testing.T) {
	root, err := build.Root()
	require.NoError(t, err)
	k := kubeapi.Start(t, kubeapi.Options{})
	definitions, err := filepath.Glob(filepath.Join(root, "kubernetes", "charttest", "testdata", "schemas", "*_*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, definitions)
	for _, file := range definitions {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, k.ApplyManifest(t, content, "", false), file)
		require.Eventually(t, func() bool { return served(t, k, content) }, time.Minute, 100*time.Millisecond, file)
	}
	for _, name := range []string{chartNamespace, "dockit", "dockit-credential-provider", "build", "team-a", "team-b"} {
		k.Apply(t, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": name}})
	}
	sources := kustomizations(t, filepath.Join(root, "examples", "kustomize"))
	values, err := filepath.Glob(filepath.Join(root, "examples", "helm", "dockit", "ci", "*-values.yaml"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(values), 10)
	for _, file := range values {
		sources[filepath.Base(file)] = rendered(t, "chart", filepath.Join(root, "examples", "helm", "dockit"), file)
	}
	examples, err := filepath.Glob(filepath.Join(root, "examples", "kubernetes", "*.yaml"))
	require.NoError(t, err)
	jobs, err := filepath.Glob(filepath.Join(root, "examples", "ci", "kubernetes", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, jobs)
	for _, file := range slices.Concat(examples, jobs) {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		sources[file] = content
		for name, document := range documentsOf(t, content) {
			if strings.HasPrefix(name, "Namespace ") {
				require.NoError(t, k.ApplyManifest(t, document, "", false))
			}
		}
	}
	sources["the guide"] = ofTheGuide(t, filepath.Join(root, "docs", "guides", "kubernetes.md"))
	taken := 0
	for source, content := range sources {
		for name, document := range documentsOf(t, content) {
			// The same name may be in several sources: nothing is kept.
			require.NoError(t, k.ApplyManifest(t, document, chartNamespace, true), "%s: %s", source, name)
			taken++
		}
	}
	t.Logf("%d manifests of %d sources", taken, len(sources))
	status, _ := k.Try(t, k.Admin, http.MethodGet, "/apis/apps/v1/namespaces/"+chartNamespace+"/deployments/dockit", nil)
	assert.Equal(t, http.StatusNotFound, status, "it was a trial")
	require.ErrorContains(t, k.ApplyManifest(t, []byte("{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {porst: []}}"), chartNamespace, true), "porst")
}

// kustomizations are what the base makes without a component, what it makes with all, and what installs the credential provider.
func kustomizations(t *testing.T, base string) map[string][]byte {
	t.Helper()
	overlay := []string{"overlay", base}
	all := map[string][]byte{"kustomize": rendered(t, "kustomize", base)}
	folders, err := filepath.Glob(filepath.Join(base, "components", "*"))
	require.NoError(t, err)
	require.Greater(t, len(folders), 10)
	for _, folder := range folders {
		overlay = append(overlay, filepath.Base(folder))
	}
	all["components"] = rendered(t, overlay...)
	platforms, err := filepath.Glob(filepath.Join(base, "credential-provider", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, platforms)
	for _, platform := range platforms {
		all["credential provider "+filepath.Base(platform)] = rendered(t, "kustomize", platform)
	}
	return all
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// ofTheGuide are the objects of Kubernetes among the blocks of the guide. What programs beside the API server read is not for it.
func ofTheGuide(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var blocks, others []string
	for _, block := range yamlBlock.FindAllStringSubmatch(string(content), -1) {
		blocks = append(blocks, block[1])
	}
	var manifests bytes.Buffer
	for name, document := range documentsOf(t, []byte(strings.Join(blocks, "---\n"))) {
		var head struct {
			APIVersion string `yaml:"apiVersion"`
		}
		require.NoError(t, yaml.Unmarshal(document, &head))
		if group, _, _ := strings.Cut(head.APIVersion, "/"); slices.Contains([]string{"v1", "apps", "batch", "policy", "rbac.authorization.k8s.io"}, group) {
			manifests.WriteString("---\n" + string(document) + "\n")
			continue
		}
		others = append(others, strings.TrimSpace(name))
	}
	slices.Sort(others)
	assert.Equal(t, []string{"Cluster", "CredentialProviderConfig", "ExternalSecret registry", "KubeCredentialProviderConfig", "OCIRepository app"}, others,
		"of kind, of a kubelet, of External Secrets, of Talos, of Flux")
	require.NotEmpty(t, manifests.Bytes())
	return manifests.Bytes()
}

// served reports whether the API server has the versions of a definition.
func served(t *testing.T, k *kubeapi.Server, definition []byte) bool {
	t.Helper()
	var d struct {
		Spec struct {
			Group    string
			Versions []struct{ Name string }
		}
	}
	require.NoError(t, json.Unmarshal(definition, &d))
	require.NotEmpty(t, d.Spec.Versions)
	for _, v := range d.Spec.Versions {
		if status, _ := k.Try(t, k.Admin, http.MethodGet, "/apis/"+d.Spec.Group+"/"+v.Name, nil); status != http.StatusOK {
			return false
		}
	}
	return true
}
