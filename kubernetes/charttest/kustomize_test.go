package charttest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/dockit-registry/dockit/kubernetes/internal/render"
)

const base = "../../examples/kustomize"

// TestKustomizationIsTheChart guards that the base makes what the chart makes without a value, but for the secret, which
// kustomize cannot make up.
func TestKustomizationIsTheChart(t *testing.T) {
	text, err := render.Kustomize(base)
	require.NoError(t, err)
	made := objects(t, render.Documents(text))
	rendered, err := render.Chart(folder, map[string]any{})
	require.NoError(t, err)
	wanted := objects(t, render.Manifests(rendered))
	delete(wanted, "Secret dockit")
	delete(wanted, "Pod dockit-ready") // helm test
	require.Contains(t, made, "Namespace dockit")
	assert.Equal(t, "restricted", made["Namespace dockit"].(*v1.Namespace).Labels["pod-security.kubernetes.io/enforce"])
	delete(made, "Namespace dockit")
	require.Len(t, made, len(wanted))
	for name, object := range wanted {
		require.Contains(t, made, name)
		assert.Equal(t, essence(t, object), essence(t, made[name]), name)
	}
	for name, pod := range podsOf(made) {
		secure(t, name, pod)
	}
}

// essence is what an object is, without what says who made it.
func essence(t *testing.T, object runtime.Object) any {
	t.Helper()
	switch o := object.(type) {
	case *appsv1.Deployment:
		delete(o.Spec.Template.Labels, "app.kubernetes.io/managed-by")
		delete(o.Spec.Template.Labels, "app.kubernetes.io/version")
		delete(o.Spec.Template.Labels, "helm.sh/chart")
		return o.Spec
	case *v1.Service:
		return o.Spec
	case *v1.PersistentVolumeClaim:
		return o.Spec
	case *networkingv1.NetworkPolicy:
		return o.Spec
	case *v1.ServiceAccount:
		return *o.AutomountServiceAccountToken
	default:
		t.Fatalf("%T: say what matters of it", object)
		return nil
	}
}
