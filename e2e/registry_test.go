package e2e

import (
	"testing"

	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// TestRegistries runs each case against each kind of registry. The cases of one kind share its servers and keep
// apart by the names they make up.
func TestRegistries(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		run  func(*testing.T, *stack)
	}{
		{"user permission", testUserPermission},
		{"user without permission", testNoPermission},
		{"pull does not push", testPullOnly},
		{"wrong password and unknown user", testWrongCredentials},
		{"revoked permission", testRevoke},
		{"disabled user", testDisabledUser},
		{"removed user", testRemovedUser},
		{"changed password", testChangedPassword},
		{"group permission", testGroupPermission},
		{"permission of everyone who logged in", testAuthenticated},
		{"username in a permission", testUsernamePlaceholder},
		{"namespace permission", testNamespace},
		{"wildcards", testWildcards},
		{"anonymous", testAnonymous},
		{"mount", testMount},
		{"mount without rights on the source", testMountRefused},
		{"delete", testDelete},
		{"catalog", testCatalog},
		{"crane", testCrane},
		{"page", testPage},
		{"rbac lists", testRBACLists},
		{"rbac can-i", testRBACCanI},
		{"rbac refusals", testRBACRefusals},
	}
	for _, kind := range registry.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := startStack(t, kind)
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) { c.run(t, s) })
			}
		})
	}
}
