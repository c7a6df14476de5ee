package charttest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/dockit-registry/dockit/kubernetes/internal/render"
)

// rightsOf are the rules of roles, as texts: verbs, resource, and names if there are any. Roles of a namespace stand by its name.
func rightsOf(t *testing.T, documents []string, name string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	add := func(where string, rules []rbacv1.PolicyRule) {
		for _, r := range rules {
			for _, resource := range r.Resources {
				all[where] = append(all[where], strings.TrimSpace(strings.Join(r.Verbs, ",")+" "+resource+" "+strings.Join(r.ResourceNames, ",")))
			}
		}
		slices.Sort(all[where])
	}
	for _, document := range documents {
		for _, object := range objects(t, []string{document}) {
			switch o := object.(type) {
			case *rbacv1.ClusterRole:
				add("the cluster", o.Rules)
			case *rbacv1.Role:
				if o.Namespace != "" {
					add(o.Namespace, o.Rules)
				}
			case *rbacv1.RoleBinding:
				assert.Equal(t, name, o.Subjects[0].Name)
				assert.Equal(t, render.Namespace, o.Subjects[0].Namespace)
			}
		}
	}
	return all
}

// TestPullSecretsMayDoLittle guards what the controller may do: with names, tokens and secrets of these alone; with namespaces, nothing of
// the cluster; and that its flags say the same.
func TestPullSecretsMayDoLittle(t *testing.T) {
	const account = "dockit-pull-secrets"
	of := func(names, secrets string) []string {
		rights := []string{
			strings.TrimSpace("create serviceaccounts/token " + names), strings.TrimSpace("get,create,patch,delete secrets " + secrets),
			strings.TrimSpace("get,patch serviceaccounts " + names), "list,watch serviceaccounts",
		}
		slices.Sort(rights)
		return rights
	}
	cluster := func(rights []string) []string {
		all := append(rights, "list,watch namespaces")
		slices.Sort(all)
		return all
	}
	for name, test := range map[string]struct {
		values string
		rights map[string][]string
		flags  []string
	}{
		"by default": {"{enabled: true}", map[string][]string{"the cluster": cluster(of("default", "dockit-pull-default"))}, []string{"--service-account=default"}},
		"any service account": {
			"{enabled: true, serviceAccounts: []}", map[string][]string{"the cluster": cluster(of("", ""))}, nil,
		},
		"namespaces": {
			"{enabled: true, namespaces: [registry, team-a], serviceAccounts: [default, builder]}",
			map[string][]string{
				"registry": of("default,builder", "dockit-pull-default,dockit-pull-builder"), "team-a": of("default,builder", "dockit-pull-default,dockit-pull-builder"),
			},
			[]string{"--watch-namespace=registry", "--watch-namespace=team-a", "--service-account=default", "--service-account=builder"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			rendered, err := render.Chart(folder, valuesOf(t, "pullSecrets: "+test.values))
			require.NoError(t, err)
			documents := render.Manifests(rendered)
			assert.Equal(t, test.rights, rightsOf(t, documents, account))
			all := objects(t, documents)
			assert.Contains(t, all, "Role "+account, "of the lease, in its own namespace")
			var flags []string
			for _, arg := range podsOf(map[string]runtime.Object{"": all["Deployment "+account]})[""].Containers[0].Args {
				if strings.HasPrefix(arg, "--watch-namespace") || strings.HasPrefix(arg, "--service-account") {
					flags = append(flags, arg)
				}
			}
			assert.Equal(t, test.flags, flags)
		})
	}
}

// TestPullSecretsOfAnotherAuthority guards that the controller of a Dockit behind a private authority, for registries whose services have other
// names, reads what values name, where its flags say.
func TestPullSecretsOfAnotherAuthority(t *testing.T) {
	for values, key := range map[string]string{"{configMap: authorities, key: bundle.pem}": "bundle.pem", "{secret: dockit-authority}": "ca.crt"} {
		all := rendered(t, "pullSecrets: {enabled: true, server: https://dockit.test, registries: [a.test, \"b.test:5000\"], services: {\"b.test:5000\": mirror, a.test: Hub one}, ca: "+values+"}")
		pod := podsOf(all)["Deployment dockit-pull-secrets"]
		secure(t, "Deployment dockit-pull-secrets", pod)
		assert.Subset(t, pod.Containers[0].Args, []string{"--service=a.test=Hub one", "--service=b.test:5000=mirror"})
		file := slices.IndexFunc(pod.Containers[0].Args, func(arg string) bool { return strings.HasPrefix(arg, "--ca-file=") })
		require.GreaterOrEqual(t, file, 0)
		require.Len(t, pod.Volumes, 1)
		var items []v1.KeyToPath
		if from := pod.Volumes[0].ConfigMap; from != nil {
			items = from.Items
		} else {
			items = pod.Volumes[0].Secret.Items
		}
		assert.Equal(t, "--ca-file="+pod.Containers[0].VolumeMounts[0].MountPath+"/"+items[0].Path, pod.Containers[0].Args[file])
		assert.Equal(t, key, items[0].Key)
	}
	pod := podsOf(rendered(t, "pullSecrets: {enabled: true}"))["Deployment dockit-pull-secrets"]
	assert.Empty(t, pod.Volumes)
	assert.NotContains(t, strings.Join(pod.Containers[0].Args, " "), "--ca-file")
}
