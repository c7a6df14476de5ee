package charttest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// refusals are why a level of Pod Security refuses a pod, as the API server says it.
func refusals(t *testing.T, level api.Level, pod v1.PodSpec) []string {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	var all []string
	for _, result := range evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, &metav1.ObjectMeta{}, &pod) {
		if !result.Allowed {
			all = append(all, result.ForbiddenReason)
		}
	}
	return all
}

// secure guards that the restricted level of Pod Security takes a pod, and a bit more. The installer of the credential
// provider alone needs the privileged one, and for its folder of the node alone.
func secure(t *testing.T, name string, pod v1.PodSpec) {
	t.Helper()
	if strings.HasSuffix(name, "-credential-provider") {
		assert.Equal(t, []string{"hostPath volumes"}, refusals(t, api.LevelBaseline, pod), name)
		require.Len(t, pod.Volumes, 1, name)
	} else {
		assert.Empty(t, refusals(t, api.LevelRestricted, pod), name)
	}
	assert.Equal(t, strings.Contains(name, "pull-secrets"), *pod.AutomountServiceAccountToken, "%s: a token is mounted where one is needed alone", name)
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		require.NotNil(t, c.SecurityContext, "%s: %s", name, c.Name)
		assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, "%s: %s", name, c.Name)
		assert.Equal(t, []v1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, "%s: %s", name, c.Name)
		assert.Contains(t, c.Resources.Limits, v1.ResourceMemory, "%s: %s", name, c.Name)
	}
}
