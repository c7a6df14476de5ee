package doctor

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/dockit-registry/dockit/kubernetes/internal/install"
)

const good = `apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  - name: ecr-credential-provider
    matchImages: ["*.dkr.ecr.*.amazonaws.com"]
  - name: dockit-credential-provider
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    matchImages: [registry.test]
    defaultCacheDuration: 0s
    args: [--registry=registry.test]
    tokenAttributes:
      serviceAccountTokenAudience: https://registry.test
      cacheType: Token
      requireServiceAccount: true
`

// TestConfiguration guards that each mistake in the plugin's configuration is told, and what to write instead.
func TestConfiguration(t *testing.T) {
	change := func(old, next string) string {
		require.Contains(t, good, old)
		return strings.Replace(good, old, next, 1)
	}
	for name, test := range map[string]struct{ config, finding, cure, robot string }{
		"as it should be":          {good, "ok       the plugin is configured for registry.test", "", ""},
		"args apart":               {change("--registry=registry.test", "--registry, registry.test"), "ok       ", "", ""},
		"a wildcard":               {change("matchImages: [registry.test]", `matchImages: ["*.test"]`), "ok       ", "", ""},
		"a path":                   {change("matchImages: [registry.test]", "matchImages: [registry.test/team]"), "ok       ", "", ""},
		"no file":                  {"", "missing  the configuration ", "dockit-credential-provider --help has an example", ""},
		"no YAML":                  {"\t{", "missing  the configuration ", "dockit-credential-provider --help has an example", ""},
		"another kind":             {"kind: KubeletConfiguration", "it is no CredentialProviderConfig", "dockit-credential-provider --help has an example", ""},
		"no plugin":                {change("dockit-credential-provider", "other"), "missing  the provider dockit-credential-provider", "dockit-credential-provider --help has an example", ""},
		"an old apiVersion":        {change("credentialprovider.kubelet.k8s.io/v1", "credentialprovider.kubelet.k8s.io/v1beta1"), "missing  the apiVersion", "apiVersion: credentialprovider.kubelet.k8s.io/v1\n", ""},
		"matchImages":              {change("[registry.test]", "[registry.test:5000]"), "missing  the registry in matchImages", "matchImages: [registry.test]", ""},
		"--registry":               {change("--registry=registry.test", "--registry=registry.test.evil"), "missing  the registry in args", "args: [--registry=registry.test]", ""},
		"the audience":             {change("https://registry.test", "registry.test"), "missing  the audience https://registry.test", "tokenAttributes: {serviceAccountTokenAudience: https://registry.test}", ""},
		"cacheType":                {change("cacheType: Token", "cacheType: ''"), "missing  cacheType", "tokenAttributes: {cacheType: Token}", ""},
		"cacheType ServiceAccount": {change("cacheType: Token", "cacheType: ServiceAccount"), "missing  cacheType Token", "tokenAttributes: {cacheType: Token}", ""},
		"a robot": {
			change("    tokenAttributes:\n", "    tokenAttributes:\n      optionalServiceAccountAnnotationKeys: [dockit.dev/robot]\n"), "ok       ", "", "ci",
		},
		"a robot that is required": {
			change("    tokenAttributes:\n", "    tokenAttributes:\n      requiredServiceAccountAnnotationKeys: [dockit.dev/robot]\n"), "ok       ", "", "ci",
		},
		"a robot that is not passed": {
			good, "missing  the annotation by which the service account chooses robot:ci", "tokenAttributes: {optionalServiceAccountAnnotationKeys: [dockit.dev/robot]}", "ci",
		},
		"requireServiceAccount": {
			change("      requireServiceAccount: true\n", ""), "missing  requireServiceAccount", "tokenAttributes: {requireServiceAccount: true}", "",
		},
		"no tokenAttributes": {good[:strings.Index(good, "    tokenAttributes")], "missing  the audience", "tokenAttributes: {serviceAccountTokenAudience", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.yaml")
			if test.config != "" {
				require.NoError(t, os.WriteFile(file, []byte(test.config), 0o600))
			}
			c, said := command{config: file, audience: "https://registry.test"}, bytes.Buffer{}
			r := &report{w: &said}
			c.checkConfig(r, "registry.test", test.robot)
			assert.Contains(t, said.String(), test.finding)
			assert.Contains(t, said.String(), test.cure)
			assert.Equal(t, test.cure != "", r.broken > 0, said.String())
			if test.cure != "" {
				assert.NotContains(t, said.String(), "ok  ")
			}
		})
	}
}

// TestInstalledConfigurationIsRight guards that what the installer writes is what the doctor wants.
func TestInstalledConfigurationIsRight(t *testing.T) {
	node, plugin := t.TempDir(), filepath.Join(t.TempDir(), install.Plugin)
	require.NoError(t, os.WriteFile(plugin, []byte("program"), 0o600))
	file := filepath.Join(node, "config.json")
	_, err := install.Install(plugin, node, file, install.Provider{Registries: []string{"registry.test:5000"}, Audience: "prod", Server: "https://dockit.test"})
	require.NoError(t, err)
	c, said := command{config: file, audience: "prod"}, bytes.Buffer{}
	r := &report{w: &said}
	c.checkConfig(r, "registry.test:5000", "ci")
	assert.Zero(t, r.broken, said.String())
	assert.Contains(t, said.String(), "the plugin is configured for registry.test:5000")
}

// TestKubelet guards what is said of the flags of a kubelet, by the metrics that it serves through the API server.
func TestKubelet(t *testing.T) {
	for name, test := range map[string]struct {
		status       int
		metrics, say string
		broken       int
	}{
		"with the flags":    {http.StatusOK, "kubelet_credential_provider_config_info{hash=\"a\"} 1\n", "ok       the kubelet of worker-1 has the flags", 0},
		"without the flags": {http.StatusOK, "kubelet_node_name{node=\"worker-1\"} 1\n", "--image-credential-provider-config=FILE --image-credential-provider-bin-dir=FOLDER, and restart it", 1},
		"out of reach":      {http.StatusForbidden, "", "unknown  the kubelet of worker-1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "/api/v1/nodes/worker-1/proxy/metrics", r.URL.Path)
				w.WriteHeader(test.status)
				_, _ = fmt.Fprint(w, test.metrics)
			}))
			defer server.Close()
			kube, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
			require.NoError(t, err)
			c, said := command{node: "worker-1"}, bytes.Buffer{}
			r := &report{w: &said}
			c.checkKubelet(t.Context(), r, kube, "registry.test", "")
			assert.Contains(t, said.String(), test.say)
			assert.Contains(t, said.String(), "unknown  the configuration of the plugin: give its file with --provider-config")
			assert.Equal(t, test.broken, r.broken)
		})
	}
}

// TestRegistry guards what is said of a registry that is no registry with Dockit.
func TestRegistry(t *testing.T) {
	for name, test := range map[string]struct {
		challenge, service, says string
	}{
		"with Dockit":   {`Bearer realm="https://dockit.test/v2/token",service="registry.test"`, "registry.test", "ok       the registry is the service registry.test, with tokens from https://dockit.test/v2/token"},
		"open":          {"", "", "set REGISTRY_AUTH=token and REGISTRY_AUTH_TOKEN_SERVICE there"},
		"with htpasswd": {`Basic realm="registry"`, "", "set REGISTRY_AUTH=token"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.challenge != "" {
					w.Header().Set("WWW-Authenticate", test.challenge)
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			defer server.Close()
			var said bytes.Buffer
			r := &report{w: &said}
			assert.Equal(t, test.service, checkRegistry(t.Context(), r, server.Client(), strings.TrimPrefix(server.URL, "http://")))
			assert.Contains(t, said.String(), test.says)
			assert.Equal(t, test.service == "", r.broken > 0)
		})
	}
}

// TestOpens guards what counts as a token that may pull.
func TestOpens(t *testing.T) {
	for payload, may := range map[string]bool{
		`{"access":[{"type":"repository","name":"a","actions":["pull"]}]}`: true,
		`{"access":[{"type":"repository","name":"a","actions":["push"]}]}`: false,
		`{"access":[]}`: false,
		`{}`:            false,
	} {
		got, err := opens("e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".x")
		require.NoError(t, err)
		assert.Equal(t, may, got, payload)
	}
	for _, wrong := range []string{"", "a.b", "e30.!.x", "e30.e30"} {
		got, err := opens(wrong)
		require.Error(t, err, wrong)
		assert.False(t, got)
	}
}
