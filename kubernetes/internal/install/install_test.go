package install

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/internal/cli"
)

var wanted = Provider{Registries: []string{"registry.test", "mirror.test:5000"}, Audience: "https://registry.test"}

const entry = `
  - name: dockit-credential-provider
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    matchImages: [registry.test, mirror.test:5000]
    defaultCacheDuration: 0s
    args: [--registry=registry.test, --registry=mirror.test:5000]
    tokenAttributes:
      serviceAccountTokenAudience: https://registry.test
      cacheType: Token
      requireServiceAccount: true
      optionalServiceAccountAnnotationKeys: [dockit.dev/robot]
`

const ecr = `
  - name: ecr-credential-provider
    matchImages: ["*.dkr.ecr.*.amazonaws.com"]
    defaultCacheDuration: 12h
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    somethingNew: {a: 1}
`

// TestMerge guards that what a node has already stays as it is, and that what cannot be read is not written over.
func TestMerge(t *testing.T) {
	const head = "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:"
	for name, test := range map[string]struct{ current, next, mistake string }{
		"nothing yet":        {"", head + entry, ""},
		"no providers yet":   {"apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\n", head + entry, ""},
		"ECR's":              {head + ecr, head + ecr + entry, ""},
		"an older one of it": {head + "\n  - {name: dockit-credential-provider, args: [--registry=old.test]}" + ecr, head + entry + ecr, ""},
		"JSON":               {`{"kind":"CredentialProviderConfig","apiVersion":"kubelet.config.k8s.io/v1","providers":[]}`, head + entry, ""},
		"another kind":       {"kind: KubeletConfiguration", "", "no CredentialProviderConfig"},
		"an old version":     {"kind: CredentialProviderConfig\napiVersion: kubelet.config.k8s.io/v1alpha1", "", "knows no tokens"},
		"no list":            {"apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders: {}", "", "no list"},
		"no YAML":            {"\t{", "", "yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			next, err := merge([]byte(test.current), wanted, false)
			if test.mistake != "" {
				require.ErrorContains(t, err, test.mistake)
				return
			}
			require.NoError(t, err)
			assert.YAMLEq(t, test.next, string(next))
			again, err := merge(next, wanted, false)
			require.NoError(t, err)
			assert.Equal(t, string(next), string(again), "once is enough")
		})
	}
}

// TestInstall guards that both files are whole, that a second time changes nothing, and that what somebody changed is mended.
func TestInstall(t *testing.T) {
	node, from := t.TempDir(), filepath.Join(t.TempDir(), Plugin)
	require.NoError(t, os.WriteFile(from, []byte("program"), 0o600))
	folder, config := filepath.Join(node, "credentialprovider", "bin"), filepath.Join(node, "credentialprovider", "config.json")
	install := func(expected bool) {
		changed, err := Install(from, folder, config, wanted)
		require.NoError(t, err)
		assert.Equal(t, expected, changed)
	}
	install(true)
	install(false)
	program := filepath.Join(folder, Plugin)
	info, err := os.Stat(program)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	content, err := os.ReadFile(config)
	require.NoError(t, err)
	var made struct{ Providers []struct{ Name string } }
	require.NoError(t, yaml.Unmarshal(content, &made))
	assert.Equal(t, byte('{'), content[0], "what ends in .json is JSON")
	assert.Equal(t, Plugin, made.Providers[0].Name)

	require.NoError(t, os.WriteFile(program, []byte("other"), 0o600))
	install(true)
	require.NoError(t, os.Chmod(program, 0o600))
	install(true)
	install(false)
	left, err := filepath.Glob(filepath.Join(node, "credentialprovider", "*", ".*"))
	require.NoError(t, err)
	assert.Empty(t, left)

	// What cannot be read is not written over, and no plugin is left that nothing names.
	require.NoError(t, os.RemoveAll(folder))
	require.NoError(t, os.WriteFile(config, []byte("kind: Other"), 0o600))
	_, err = Install(from, folder, config, wanted)
	require.ErrorContains(t, err, config)
	assert.NoFileExists(t, program)
}

// TestCommandRefuses guards what is said before a node is touched.
func TestCommandRefuses(t *testing.T) {
	node := t.TempDir()
	where := []string{"--folder", node, "--config", filepath.Join(node, "config.yaml"), "--every", "0"}
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"nowhere":     {[]string{"--registry", "registry.test"}, "--folder and --config"},
		"no registry": {where, "--registry HOST"},
		"a wildcard":  {append(where, "--registry", "*.test"), "without wildcards"},
		"http":        {append(where, "--registry", "registry.test", "--server", "http://dockit.test"), "use https"},
		"no plugin":   {append(where, "--registry", "registry.test", "--from", filepath.Join(node, "none")), "read the plugin"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := NewCommand()
			cli.Prepare(cmd)
			cmd.SetArgs(test.args)
			require.ErrorContains(t, cmd.ExecuteContext(t.Context()), test.says)
			entries, err := os.ReadDir(node)
			require.NoError(t, err)
			assert.Empty(t, entries)
		})
	}
}
