package kubernetes

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestJobLogsInWithItsOwnToken: the pod has a token for the registry alone, which only the
// container that logs in sees, where dockit looks for it.
func TestJobLogsInWithItsOwnToken(t *testing.T) {
	all := readManifest(t, "../ci/kubernetes/job.yaml")
	require.Len(t, all, 2)
	account, job := all[0].object.(*corev1.ServiceAccount), all[1].object.(*batchv1.Job)
	pod := job.Spec.Template.Spec
	assert.Equal(t, account.Name, pod.ServiceAccountName)
	assert.Equal(t, account.Namespace, job.Namespace)
	assert.False(t, *account.AutomountServiceAccountToken, "tokens for the API server are no use here")

	volume := func(name string) corev1.VolumeSource {
		at := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == name })
		require.GreaterOrEqual(t, at, 0, name)
		return pod.Volumes[at].VolumeSource
	}
	require.Len(t, pod.InitContainers, 1)
	require.Len(t, pod.Containers, 1)
	login, work := pod.InitContainers[0], pod.Containers[0]
	mounts := func(c corev1.Container) map[string]string {
		found := make(map[string]string)
		for _, m := range c.VolumeMounts {
			found[m.Name] = m.MountPath
		}
		return found
	}
	assert.Equal(t, map[string]string{"token": "/var/run/secrets/dockit", "docker": "/docker"}, mounts(login))
	assert.Equal(t, map[string]string{"docker": "/docker"}, mounts(work))
	projected := volume("token").Projected
	require.NotNil(t, projected)
	require.Len(t, projected.Sources, 1)
	token := projected.Sources[0].ServiceAccountToken
	require.NotNil(t, token)
	assert.Equal(t, "token", token.Path)
	assert.Equal(t, login.Args[1], token.Audience, "the registry, as dockit login has it")
	assert.GreaterOrEqual(t, *token.ExpirationSeconds, int64(600), "the API server gives none for less")
	assert.Equal(t, corev1.StorageMediumMemory, volume("docker").EmptyDir.Medium, "the password is on no disk")
	for _, c := range []corev1.Container{login, work} {
		assert.Contains(t, c.Env, corev1.EnvVar{Name: "DOCKER_CONFIG", Value: "/docker"}, c.Name)
		assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation, c.Name)
		assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, c.Name)
	}
}
