package charttest

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/dockit-registry/dockit/kubernetes/internal/render"
)

func rendered(t *testing.T, values string) map[string]runtime.Object {
	t.Helper()
	made, err := render.Chart(folder, valuesOf(t, values))
	require.NoError(t, err)
	return objects(t, render.Manifests(made))
}

// TestSecretOfTheChartCannotBeReplaced guards that what renders the chart without asking the cluster takes no encryption key away:
// without it the keys in the database are worth nothing.
func TestSecretOfTheChartCannotBeReplaced(t *testing.T) {
	for name, values := range map[string]string{"without values": "{}", "one of one's own": "encryptionKey: {existingSecret: mine}"} {
		made, ok := rendered(t, values)["Secret dockit"].(*v1.Secret)
		require.True(t, ok, name)
		require.NotNil(t, made.Immutable, name)
		assert.True(t, *made.Immutable, name)
	}
}

// TestEveryImageTakesADigest guards that the digest and the pull policy that the schema takes count wherever an image is named.
func TestEveryImageTakesADigest(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	image := "image: {digest: \"" + digest + "\", pullPolicy: Always}"
	all := rendered(t, image+"\nkubeletAudiences: [https://registry.example.com]\npullSecrets: {enabled: true, "+image+"}\ncredentialProvider: {enabled: true, "+image+
		"}\nregistry: {enabled: true, "+image+"}")
	pods := podsOf(all)
	for pod, container := range map[string]string{
		"Deployment dockit": "dockit", "Deployment dockit-pull-secrets": "pull-secrets", "DaemonSet dockit-credential-provider": "install",
		"Deployment dockit-registry": "registry",
	} {
		found := false
		for _, c := range pods[pod].Containers {
			if c.Name != container {
				continue
			}
			found = true
			assert.Regexp(t, "@"+digest+"$", c.Image, pod)
			assert.Equal(t, v1.PullAlways, c.ImagePullPolicy, pod)
		}
		assert.True(t, found, "%s has no container %s", pod, container)
	}
}

// TestSettingsWinOverTheChart guards that no variable is there twice, which a server-side apply refuses.
func TestSettingsWinOverTheChart(t *testing.T) {
	seen := map[string]string{}
	for _, variable := range podsOf(rendered(t, "settings: {DOCKIT_LOG_FORMAT: text}"))["Deployment dockit"].Containers[0].Env {
		require.NotContains(t, seen, variable.Name)
		seen[variable.Name] = variable.Value
	}
	assert.Equal(t, "text", seen["DOCKIT_LOG_FORMAT"])
}

// TestTokenOfTheClusterStaysInside guards that the token of Dockit's service account, which opens the API server, is sent to
// services of the cluster alone unless the administrator says otherwise.
func TestTokenOfTheClusterStaysInside(t *testing.T) {
	for values, inside := range map[string]bool{
		"cluster: {trust: true}": true,
		"cluster: {trust: true, issuerURL: https://kubernetes.default.svc}":                                        true,
		"cluster: {trust: true, issuerURL: \"https://kubernetes.default.svc:443\"}":                                true,
		"cluster: {trust: true, bearer: never}":                                                                    false,
		"cluster: {trust: true, issuerURL: https://oidc.eks.eu-west-1.amazonaws.com/id/0123}":                      false,
		"cluster: {trust: true, issuerURL: https://container.googleapis.com/v1/projects/p/locations/l/clusters/c}": false,
		"cluster: {trust: true, issuerURL: https://kubernetes.default.svc.evil.example.com}":                       false,
		"cluster: {trust: true, issuerURL: \"https://evil.example.com/https://kubernetes.default.svc\"}":           false,
		"cluster: {trust: true, bearer: always, issuerURL: \"https://api.example.com:6443\"}":                      true,
	} {
		all := rendered(t, values)
		issuer := stateOf(t, all).Issuers[0]
		mounted := false
		for _, volume := range podsOf(all)["Deployment dockit"].Volumes {
			mounted = mounted || volume.Name == "cluster"
		}
		assert.Equal(t, inside, issuer.BearerFile != "", values)
		assert.Equal(t, inside, mounted, values)
		_, bound := all["ClusterRoleBinding registry-dockit-issuer-discovery"]
		assert.Equal(t, inside, bound, values)
	}
}

// TestUpgradeWithTheValuesOfAnEarlierChart guards that helm upgrade --reuse-values goes on, which has the defaults of the chart that was
// installed instead of those of this one.
func TestUpgradeWithTheValuesOfAnEarlierChart(t *testing.T) {
	earlier, err := os.ReadFile("testdata/earlier-values.yaml")
	require.NoError(t, err)
	for name, values := range map[string]string{
		"as it was":           "{}",
		"with the controller": "pullSecrets: {enabled: true}",
		"with what is new": "{cluster: {trust: true, namespaces: {enabled: true}}, pullSecrets: {enabled: true, server: https://dockit.test, ca: {configMap: authorities}, " +
			"metrics: {podMonitor: {enabled: true}}}}",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := loader.Load(folder)
			require.NoError(t, err)
			c.Values = valuesOf(t, string(earlier))
			all, err := util.ToRenderValues(c, valuesOf(t, values), common.ReleaseOptions{Name: render.Release, Namespace: render.Namespace, Revision: 2, IsUpgrade: true}, nil)
			require.NoError(t, err)
			made, err := engine.Render(c, all)
			require.NoError(t, err)
			documents := render.Manifests(made)
			valid(t, documents)
			assert.Contains(t, objects(t, documents), "Deployment dockit")
		})
	}
}

// TestEveryPodIsPulledAndPlacedAsValuesSay guards that a private mirror, and nodes that are set apart, are used by all pods of the chart, that of
// helm test too.
func TestEveryPodIsPulledAndPlacedAsValuesSay(t *testing.T) {
	pods := podsOf(rendered(t, "{imagePullSecrets: [{name: internal}], nodeSelector: {disk: ssd}, tolerations: [{key: a, operator: Exists}], image: {pullPolicy: Always}, "+
		"registry: {enabled: true}, pullSecrets: {enabled: true}, state: {robots: [{name: ci}]}}"))
	require.Len(t, pods, 5)
	for name, pod := range pods {
		assert.Equal(t, []v1.LocalObjectReference{{Name: "internal"}}, pod.ImagePullSecrets, name)
		assert.Equal(t, map[string]string{"disk": "ssd"}, pod.NodeSelector, name)
		assert.Equal(t, []v1.Toleration{{Key: "a", Operator: v1.TolerationOpExists}}, pod.Tolerations, name)
		for _, c := range pod.Containers {
			if c.Name == "apply" || c.Name == "health" {
				assert.Equal(t, v1.PullAlways, c.ImagePullPolicy, name)
			}
		}
	}
}

// TestSessionsOfNamespaces guards that pull secrets last for as long as Dockit may be away, and that values say otherwise.
func TestSessionsOfNamespaces(t *testing.T) {
	for values, want := range map[string]time.Duration{
		"{cluster: {trust: true, namespaces: {enabled: true}}}":                                               time.Hour,
		"{cluster: {trust: true, namespaces: {enabled: true}}, pullSecrets: {enabled: true}}":                 6 * time.Hour,
		"{cluster: {trust: true, namespaces: {enabled: true, session: 2h30m}}, pullSecrets: {enabled: true}}": 2*time.Hour + 30*time.Minute,
	} {
		assert.Equal(t, want, stateOf(t, rendered(t, values)).Bindings[0].Session, values)
	}
}
