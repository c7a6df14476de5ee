package charttest

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/strvals"
	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/kubernetes/internal/render"
)

var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// fences are the blocks of a language in the guide.
func fences(t *testing.T, language string) []string {
	t.Helper()
	content, err := os.ReadFile("../../docs/guides/kubernetes.md")
	require.NoError(t, err)
	var all []string
	for _, found := range fence.FindAllStringSubmatch(string(content), -1) {
		if found[1] == language {
			all = append(all, found[2])
		}
	}
	require.NotEmpty(t, all)
	return all
}

// TestYAMLOfTheGuide guards that every manifest of the guide is YAML without a key that stands twice, and as the schemas say where there is one.
func TestYAMLOfTheGuide(t *testing.T) {
	// What is no manifest of Kubernetes, or is defined by others.
	others := map[string]bool{
		"kubelet.config.k8s.io/v1 CredentialProviderConfig": true, "kind.x-k8s.io/v1alpha4 Cluster": true, "v1alpha1 KubeCredentialProviderConfig": true,
		"source.toolkit.fluxcd.io/v1 OCIRepository": true, "external-secrets.io/v1 ExternalSecret": true,
	}
	seen := map[string]bool{}
	for _, block := range fences(t, "yaml") {
		for _, document := range render.Documents(block) {
			var object map[string]any
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), &object), document)
			name := strings.TrimSpace(object["apiVersion"].(string) + " " + object["kind"].(string))
			if !others[name] {
				valid(t, []string{document})
				continue
			}
			seen[name] = true
			patches, _ := object["kubeadmConfigPatches"].([]any)
			for _, patch := range patches {
				var inner map[string]any
				require.NoError(t, yaml.UnmarshalStrict([]byte(patch.(string)), &inner), patch)
				assert.Contains(t, inner, "nodeRegistration")
			}
			if name == "external-secrets.io/v1 ExternalSecret" {
				readsThePullSecret(t, object)
			}
		}
	}
	assert.Equal(t, others, seen)
}

// readsThePullSecret guards that the templates of an ExternalSecret find user and password in a secret as the controller writes it.
func readsThePullSecret(t *testing.T, object map[string]any) {
	t.Helper()
	data := object["spec"].(map[string]any)["target"].(map[string]any)["template"].(map[string]any)["data"].(map[string]any)
	secret := map[string]string{".dockerconfigjson": `{"auths":{"registry.example.com":{"username":"k8s","password":"dockit_secret"}}}`}
	functions := template.FuncMap{"fromJson": func(text string) (any, error) {
		var value any
		err := json.Unmarshal([]byte(text), &value)
		return value, err
	}}
	for key, want := range map[string]string{"username": "k8s", "password": "dockit_secret"} {
		parsed, err := template.New(key).Funcs(functions).Parse(data[key].(string))
		require.NoError(t, err)
		var said strings.Builder
		require.NoError(t, parsed.Execute(&said, secret))
		assert.Equal(t, want, said.String())
	}
}

var setting = regexp.MustCompile(`--set '?([^' ]+)`)

// TestHelmCommandsOfTheGuide guards that the chart takes the values of every helm command of the guide.
func TestHelmCommandsOfTheGuide(t *testing.T) {
	commands := 0
	for _, block := range fences(t, "sh") {
		for line := range strings.SplitSeq(strings.ReplaceAll(block, "\\\n", " "), "\n") {
			if !strings.HasPrefix(line, "helm install") && !strings.HasPrefix(line, "helm upgrade") {
				continue
			}
			commands++
			values := map[string]any{}
			for _, found := range setting.FindAllStringSubmatch(line, -1) {
				require.NoError(t, strvals.ParseInto(found[1], values), line)
			}
			require.NotEmpty(t, values, line)
			_, err := render.Chart(folder, values)
			require.NoError(t, err, line)
		}
	}
	assert.GreaterOrEqual(t, commands, 4)
}
