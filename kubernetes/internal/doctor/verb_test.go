package doctor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// TestVerbManifestsReplaceNoOther guards that what is printed for one audience can be applied beside what was printed for another.
func TestVerbManifestsReplaceNoOther(t *testing.T) {
	long := strings.Repeat("a", 60)
	seen := map[string]string{}
	for _, audience := range []string{
		"prod", "registry.example.com", "https://registry.example.com", "https://registry.example.com:5000", "registry-example-com", "https://prod", "PROD", "prod-",
		long, long + "b", "https://" + long, "-", "https://", "https://a.example.com/" + long, "ü", `a"b`,
	} {
		lines := strings.SplitN(verbManifest(audience), "\n", 2)
		require.Equal(t, "kubectl apply -f - <<EOF", lines[0])
		manifests, found := strings.CutSuffix(lines[1], "\nEOF")
		require.True(t, found)
		documents := strings.Split(manifests, "\n---\n")
		require.Len(t, documents, 2)
		var role rbacv1.ClusterRole
		require.NoError(t, yaml.UnmarshalStrict([]byte(documents[0]), &role))
		assert.Equal(t, []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{audience}, Verbs: []string{"request-serviceaccounts-token-audience"}}}, role.Rules)
		assert.Empty(t, validation.IsDNS1123Subdomain(role.Name), role.Name)
		assert.NotContains(t, seen, role.Name, audience)
		seen[role.Name] = audience
		var binding rbacv1.ClusterRoleBinding
		require.NoError(t, yaml.UnmarshalStrict([]byte(documents[1]), &binding))
		assert.Equal(t, []string{role.Name, role.Name}, []string{binding.Name, binding.RoleRef.Name})
	}
	assert.Equal(t, "prod", seen["dockit-pulls-prod"], "what is a name already keeps it")
}
