//go:build kubeapiserver

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/kubeapi"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// asPod runs a program with the files of a folder below /var/run/secrets, where a kubelet mounts them: nothing else has them there.
const asPod = `mount -t tmpfs tmpfs /var/run && mkdir /var/run/secrets && cp -r "$1"/. /var/run/secrets && shift && exec "$@"`

// TestInCluster has trust and doctor run as in a pod: no kubeconfig says where the cluster is, but variables and mounted files of
// the service account, which may do nothing that Kubernetes does not let every one of them do.
func TestInCluster(t *testing.T) {
	unshare := []string{"--mount"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	if said, err := exec.CommandContext(t.Context(), "unshare", slices.Concat(unshare, []string{"mount", "-t", "tmpfs", "tmpfs", "/var/run"})...).CombinedOutput(); err != nil {
		cannot.Run(t, fmt.Errorf("the paths of a pod take a mount namespace, which root has: %w: %s", err, said))
	}
	k, s := kubeapi.Start(t, kubeapi.Options{}), startStack(t, registry.V3)
	binary, err := build.DockitKubernetes(t.Context(), t.TempDir())
	require.NoError(t, err)
	k.AddServiceAccount(t, "team-a", "default", nil)
	authority, err := os.ReadFile(k.CA)
	require.NoError(t, err)

	secrets := t.TempDir()
	for path, content := range map[string]string{
		"kubernetes.io/serviceaccount/token": k.Token(t, "team-a", "default", k.URL), "kubernetes.io/serviceaccount/ca.crt": string(authority),
		"kubernetes.io/serviceaccount/namespace": "team-a", "dockit/token": k.Token(t, "team-a", "default", service),
	} {
		path = filepath.Join(secrets, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	host, port, _ := strings.Cut(strings.TrimPrefix(k.URL, "https://"), ":")
	pod := dockit.CLI{
		Path: "unshare", Args: slices.Concat(unshare, []string{"sh", "-c", asPod, "sh", secrets, binary}),
		Env: slices.Concat(s.admin.Env, []string{"KUBERNETES_SERVICE_HOST=" + host, "KUBERNETES_SERVICE_PORT=" + port}),
	}

	said, err := pod.Run(t.Context(), "trust", "cluster")
	require.NoError(t, err)
	assert.Contains(t, said, "added cluster: trusts "+k.URL+" with the keys ")
	s.rbac(t, "add", "robot:k8s")
	s.rbac(t, "grant", "robot:k8s", "repository:team-a/app:pull")
	s.rbac(t, "binding", "add", "cluster", "--issuer", "cluster", "--robot", "robot:k8s", "--claim", "kubernetes.io/namespace=team-a")

	said, err = pod.Run(t.Context(), "doctor", s.registry.Host+"/team-a/app", "--namespace", "team-a", "--server", s.dockit.URL, "--audience", service)
	if err != nil {
		said = err.Error()
	}
	assert.Contains(t, said, "ok       the issuer is "+k.URL)
	assert.Contains(t, said, "ok       the token of this pod, at /var/run/secrets/dockit/token")
	assert.Contains(t, said, "ok       Dockit takes the token, and it stands for robot:k8s")
	assert.Contains(t, said, "ok       robot:k8s may pull team-a/app")
	assert.Contains(t, said, "unknown  whether kubelets may ask for tokens", "it may not look at roles")

	without := pod
	without.Args = slices.Concat(unshare, []string{"sh", "-c", asPod, "sh", t.TempDir(), binary})
	_, err = without.Run(t.Context(), "trust", "cluster")
	require.ErrorContains(t, err, "run this in a pod with a service account")
}
