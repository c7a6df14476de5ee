package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

func testRBACLists(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	dev := s.addGroup(t, "dev")
	robot := "robot:" + s.unique("ci")
	s.rbac(t, "add", robot)
	s.rbac(t, "add-member", dev, alice.ref())
	s.rbac(t, "add-member", dev, robot)
	team := s.unique("team")
	s.grant(t, dev, "repository:"+team+"/*:pull", "repository:"+team+"/*:delete", "namespace:"+team+":push")

	require.Contains(t, s.rbacNames(t, "list", "users"), alice.ref())
	require.Contains(t, s.rbacNames(t, "list", "users"), "user:admin")
	require.Contains(t, s.rbacNames(t, "list", "robots"), robot)
	require.Contains(t, s.rbacNames(t, "list", "groups"), dev)
	require.NotContains(t, s.rbacNames(t, "list", "users"), dev)

	require.ElementsMatch(t, []string{
		"repository:" + team + "/*:pull,delete",
		"namespace:" + team + ":push",
	}, s.rbacNames(t, "permissions", dev))

	shown := s.rbac(t, "show", alice.ref())
	require.Contains(t, shown, alice.username)
	require.NotContains(t, shown, "$argon2id$")
}

func testRBACCanI(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":pull")

	s.rbac(t, "can-i", alice.ref(), "pull", repo)
	_, err := s.admin.Run(t.Context(), "rbac", "can-i", alice.ref(), "push", repo)
	requireExitCode(t, 1, err)

	s.grant(t, "user:anonymous", "repository:"+repo+"-public:pull")
	s.rbac(t, "can-i", alice.ref(), "pull", repo+"-public")
	s.rbac(t, "can-i", "user:anonymous", "pull", repo+"-public")
}

func testRBACRefusals(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	add := []string{"rbac", "add", "user:" + s.unique("eve"), "--password-stdin"}

	for name, c := range map[string]struct {
		cli   dockit.CLI
		stdin string
		args  []string
		code  int
	}{
		"no admin":             {s.dockit.CLI(alice.username, alice.password), "", []string{"rbac", "list", "users"}, 1},
		"wrong password":       {s.dockit.CLI("admin", "not the password"), "", []string{"rbac", "list", "users"}, 1},
		"no credentials":       {s.dockit.CLI("", ""), "", []string{"rbac", "list", "users"}, 1},
		"short password":       {s.admin, "short", add, 1},
		"unknown subject":      {s.admin, "", []string{"rbac", "show", "user:" + s.unique("nobody")}, 1},
		"existing name":        {s.admin, "", []string{"rbac", "add", "group:" + alice.username}, 1},
		"malformed reference":  {s.admin, "", []string{"rbac", "show", "alice"}, 2},
		"malformed permission": {s.admin, "", []string{"rbac", "grant", alice.ref(), "team/app:push"}, 2},
		"built-in":             {s.admin, "", []string{"rbac", "remove", "user:anonymous"}, 1},
		"unknown verb":         {s.admin, "", []string{"rbac", "befriend", alice.ref()}, 2},
		"unknown command":      {s.admin, "", []string{"serve"}, 2},
		"unknown flag":         {s.admin, "", []string{"rbac", "list", "users", "--colour"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.cli.RunInput(t.Context(), c.stdin, c.args...)
			requireExitCode(t, c.code, err)
		})
	}
}

// requireExitCode checks that a command failed with the code and said why.
func requireExitCode(t *testing.T, want int, err error) {
	t.Helper()
	var e *dockit.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, want, e.Code, "%v", err)
	require.NotEmpty(t, e.Stderr)
}
