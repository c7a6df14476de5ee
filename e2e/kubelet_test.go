//go:build kubeapiserver

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/kubeapi"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// kubelets are nodes of a real API server whose pods pull by the kubelet's own package and the plugin.
type kubelets struct {
	*kubeapi.Server
	stack            *stack
	pulls            string
	folder, audience string
	nodes            map[string]string
}

// pod is one that starts, as the program has it.
type pod struct{ Node, Namespace, ServiceAccount, Name, UID, Image string }

// credential is what came of it.
type credential struct{ Username, Password, Error string }

func startKubelets(t *testing.T, count int) *kubelets {
	t.Helper()
	users, nodes := map[string][]string{}, map[string]string{}
	for n := range count {
		users[fmt.Sprintf("system:node:node-%02d", n)] = []string{"system:nodes"}
	}
	k := &kubelets{Server: kubeapi.Start(t, kubeapi.Options{Users: users}), stack: startStack(t, registry.V3), folder: t.TempDir(), audience: service, nodes: nodes}
	for n := range count {
		name := fmt.Sprintf("node-%02d", n)
		nodes[name] = k.TokenOf("system:node:" + name)
		k.Apply(t, "/api/v1/nodes", map[string]any{"metadata": map[string]any{"name": name}})
	}
	var err error
	k.pulls, err = build.Pulls(t.Context(), t.TempDir())
	require.NoError(t, err)
	plugin, err := build.CredentialProvider(t.Context(), t.TempDir())
	require.NoError(t, err)
	providers := []map[string]any{}
	for name := range nodes {
		require.NoError(t, os.Symlink(plugin, filepath.Join(k.folder, name)))
		// One process plays all kubelets, and the part behind the host tells them apart.
		providers = append(providers, map[string]any{
			"name": name, "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "defaultCacheDuration": "0s",
			"matchImages": []string{k.stack.registry.Host + "/" + name},
			"args":        []string{"--registry=" + k.stack.registry.Host, "--server=" + k.stack.dockit.URL, "--keep=" + filepath.Join(k.folder, "kept-"+name)},
			"tokenAttributes": map[string]any{
				"serviceAccountTokenAudience": k.audience, "cacheType": "Token", "requireServiceAccount": true,
				"optionalServiceAccountAnnotationKeys": []string{"dockit.dev/robot"},
			},
		})
	}
	k.write(t, "config.json", map[string]any{"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": providers})
	return k
}

func (k *kubelets) write(t *testing.T, name string, v any) {
	t.Helper()
	content, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(k.folder, name), content, 0o600))
}

// pod makes a pod that is to run on a node. Nobody runs it.
func (k *kubelets) pod(t *testing.T, node, namespace, account, name string) pod {
	t.Helper()
	var made struct{ Metadata struct{ UID string } }
	require.NoError(t, json.Unmarshal(k.Ask(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/pods", map[string]any{
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"nodeName": node, "serviceAccountName": account, "containers": []map[string]any{{"name": "app", "image": "app"}},
		},
	}), &made))
	return pod{node, namespace, account, name, made.Metadata.UID, k.stack.registry.Host + "/" + node + "/" + namespace}
}

// start has the kubelets of pods find credentials, all at once.
func (k *kubelets) start(t *testing.T, pods ...pod) []credential {
	t.Helper()
	work, err := json.Marshal(map[string]any{
		"Config": filepath.Join(k.folder, "config.json"), "Folder": k.folder, "URL": k.URL, "CA": k.CA, "Nodes": k.nodes, "Pods": pods,
	})
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), k.pulls)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr, cmd.Env = bytes.NewReader(work), &said, []string{"PATH=" + os.Getenv("PATH")}
	output, err := cmd.Output()
	require.NoError(t, err, "%s", said.String())
	var got []credential
	require.NoError(t, json.Unmarshal(output, &got))
	if t.Failed() || strings.Contains(said.String(), "Failed to provide credentials") {
		t.Log(said.String()[:min(said.Len(), 4000)])
	}
	return got
}

// exchanges counts those that Dockit answered.
func (k *kubelets) exchanges(t *testing.T) int {
	t.Helper()
	return len(k.stack.rbacNames(t, "token", "list", "robot:k8s"))
}

// TestKubeletPulls has pods of a real API server pull with no secret in the cluster: their kubelets ask for tokens of their
// service accounts, which RBAC has to allow, and the plugin exchanges these. Of many pods that start at once, no node asks twice.
func TestKubeletPulls(t *testing.T) {
	const nodes, each = 50, 20
	k := startKubelets(t, nodes)
	keys := k.Ask(t, http.MethodGet, "/openid/v1/jwks", nil)
	_, err := k.stack.admin.RunInput(t.Context(), string(keys), "rbac", "issuer", "add", "cluster", "--url", k.URL, "--kind", "kubernetes", "--jwks", "-")
	require.NoError(t, err)
	k.stack.rbac(t, "add", "robot:k8s")
	k.stack.rbac(t, "grant", "robot:k8s", "repository:*/{k8s.namespace}:pull")
	k.stack.rbac(t, "binding", "add", "cluster", "--issuer", "cluster", "--robot", "robot:k8s", "--claim", "kubernetes.io/namespace=*", "--expose", "k8s.namespace=kubernetes.io/namespace")
	admin := k.stack.addUser(t, "pusher")
	k.stack.grant(t, admin.ref(), "repository:**:push")
	for _, namespace := range []string{"team-a", "team-b"} {
		k.AddServiceAccount(t, namespace, "app", nil)
		requirePushed(t, admin, "node-00/"+namespace)
	}

	// Without the verb, a kubelet gets no token, and so nobody pulls.
	first := k.pod(t, "node-00", "team-a", "app", "first")
	got := k.start(t, first)
	assert.Empty(t, got[0].Password)
	assert.Contains(t, got[0].Error, "audience")
	k.Apply(t, "/apis/rbac.authorization.k8s.io/v1/clusterroles", map[string]any{
		"metadata": map[string]any{"name": "pulls"},
		"rules":    []map[string]any{{"apiGroups": []string{""}, "resources": []string{k.audience}, "verbs": []string{"request-serviceaccounts-token-audience"}}},
	})
	k.Apply(t, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", map[string]any{
		"metadata": map[string]any{"name": "pulls"},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "pulls"},
		"subjects": []map[string]any{{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:nodes"}},
	})

	// Each namespace pulls its own, on the same node and by the same robot.
	second := k.pod(t, "node-00", "team-b", "app", "second")
	require.Eventually(t, func() bool {
		got = k.start(t, first, second)
		return got[0].Password != "" && got[1].Password != ""
	}, time.Minute, time.Second, "%+v", got)
	for n, namespace := range []string{"team-a", "team-b"} {
		assert.Equal(t, "k8s", got[n].Username)
		as := client{host: k.stack.registry.Host, username: got[n].Username, password: got[n].Password}
		_, err := as.pull(t, "node-00/"+namespace)
		require.NoError(t, err)
		_, err = as.pull(t, "node-00/"+[]string{"team-b", "team-a"}[n])
		require.Error(t, err)
	}

	// Many at once.
	var pods []pod
	for n := range nodes * each {
		pods = append(pods, k.pod(t, fmt.Sprintf("node-%02d", n%nodes), "team-a", "app", fmt.Sprintf("many-%d", n)))
	}
	before, began := k.exchanges(t), time.Now()
	many := k.start(t, pods...)
	took, exchanged := time.Since(began), k.exchanges(t)-before
	t.Logf("%d pods on %d nodes: %d exchanges, %s", len(pods), nodes, exchanged, took)
	assert.LessOrEqual(t, exchanged, nodes)
	passwords := map[string]bool{}
	for n, c := range many {
		assert.NotEmpty(t, c.Password, "%+v: %s", pods[n], c.Error)
		assert.True(t, strings.HasPrefix(c.Password, "dockit_"), "the token itself")
		passwords[c.Password] = true
	}
	assert.LessOrEqual(t, len(passwords), nodes)
	for password := range passwords {
		_, err := client{host: k.stack.registry.Host, username: "k8s", password: password}.pull(t, "node-00/team-a")
		require.NoError(t, err)
	}
}
