//go:build kubeapiserver

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/kubeapi"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// TestKubernetesDoctor has the doctor look at a real cluster in which everything is missing, and does what it says until a pull
// would succeed. What concerns a kubelet is tried beside the command.
func TestKubernetesDoctor(t *testing.T) {
	const image = "team-a/app"
	k, s := kubeapi.Start(t, kubeapi.Options{}), startStack(t, registry.V3)
	binary, err := build.DockitKubernetes(t.Context(), t.TempDir())
	require.NoError(t, err)
	k.AddServiceAccount(t, "team-a", "default", nil)
	k.AddServiceAccount(t, "default", "nobody", nil)
	as := func(bearer string) dockit.CLI {
		return dockit.CLI{Path: binary, Env: slices.Concat(s.admin.Env, []string{"KUBECONFIG=" + k.Kubeconfig(t, bearer)})}
	}
	admin := as(k.Admin)
	arguments := func(audience string) []string {
		return []string{"doctor", s.registry.Host + "/" + image, "--namespace", "team-a", "--server", s.dockit.URL, "--audience", audience}
	}
	said := func(cli dockit.CLI, args ...string) string {
		out, err := cli.Run(t.Context(), args...)
		if err != nil {
			require.ErrorContains(t, err, "a pull without a secret lacks what is told above")
		}
		return out
	}
	doctor := func() string { return said(admin, arguments(service)...) }

	// The verb of RBAC: the manifest that is printed is what was missing.
	out := doctor()
	assert.Contains(t, out, "missing  kubelets may ask for tokens with the audience "+service)
	_, after, found := strings.Cut(out, "kubectl apply -f - <<EOF\n")
	require.True(t, found, out)
	manifests, _, found := strings.Cut(after, "\nEOF")
	require.True(t, found, out)
	for _, manifest := range documentsOf(t, []byte(manifests)) {
		require.NoError(t, k.ApplyManifest(t, manifest, "", false))
	}
	require.Eventually(t, func() bool {
		return strings.Contains(doctor(), "ok       kubelets may ask for tokens with the audience "+service)
	}, time.Minute, time.Second)

	// The issuer, at first with keys of another cluster.
	out = doctor()
	assert.Contains(t, out, "ok       the issuer is "+k.URL)
	assert.Contains(t, out, "ok       a token of the service account team-a/default for "+service)
	assert.Contains(t, out, "dockit-kubernetes trust NAME     # issuer")
	_, err = s.admin.RunInput(t.Context(), `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"other","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		"rbac", "issuer", "add", "cluster", "--url", k.URL, "--kind", "kubernetes", "--jwks", "-")
	require.NoError(t, err)
	assert.Contains(t, doctor(), "dockit-kubernetes trust NAME     # keys")
	_, err = admin.Run(t.Context(), "trust", "cluster")
	require.ErrorContains(t, err, "has no key of this cluster")
	trusted, err := admin.Run(t.Context(), "trust", "cluster", "--replace-keys")
	require.NoError(t, err)
	assert.Contains(t, trusted, "changed cluster")

	// The audience.
	out = said(admin, arguments("elsewhere")...)
	assert.Contains(t, out, "dockit-kubernetes trust NAME --audience elsewhere")

	// The binding.
	s.rbac(t, "add", "robot:k8s")
	out = doctor()
	command := "dockit rbac binding add NAME --issuer ISSUER --robot robot:NAME --claim kubernetes.io/namespace=team-a --claim kubernetes.io/serviceaccount/name=default"
	require.Contains(t, out, command)
	runPrinted(t, s, strings.NewReplacer("robot:NAME", "robot:k8s", "NAME", "cluster", "ISSUER", "cluster").Replace(command))

	// The permission.
	command = "dockit rbac grant robot:k8s repository:" + image + ":pull"
	out = doctor()
	require.Contains(t, out, command)
	assert.Contains(t, out, "ok       Dockit takes the token, and it stands for robot:k8s")
	runPrinted(t, s, command)
	out, err = admin.Run(t.Context(), arguments(service)...)
	require.NoError(t, err)
	assert.Contains(t, out, "ok       robot:k8s may pull "+image)
	assert.NotContains(t, out, "missing")
	assert.Empty(t, s.rbacNames(t, "token", "list", "robot:k8s"), "its own session is ended")

	// A node that has no kubelet to ask, and a pod that may do nothing: it says what it cannot see.
	out = said(admin, append(arguments(service), "--node", "none")...)
	assert.Contains(t, out, "unknown  the kubelet of none")
	out = said(as(k.Token(t, "default", "nobody", k.URL)), arguments(service)...)
	assert.Contains(t, out, "unknown  whether kubelets may ask for tokens with the audience "+service)
	assert.Contains(t, out, "missing  a token of the service account team-a/default")
	assert.Contains(t, out, "kubectl create serviceaccount -n team-a default")
}

// runPrinted runs a command that was printed.
func runPrinted(t *testing.T, s *stack, command string) {
	t.Helper()
	_, err := s.admin.Run(t.Context(), strings.Fields(command)[1:]...)
	require.NoError(t, err)
}
