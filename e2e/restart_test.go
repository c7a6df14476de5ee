package e2e

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// A Dockit that starts again keeps its users and its keys: a registry that runs on trusts it as before.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := startStack(t, registry.V3)
	alice := s.addUser(t, "alice")
	s.grant(t, alice.ref(), "repository:team/app:push")
	image := requirePushed(t, alice, "team/app")

	require.NoError(t, s.dockit.Stop())
	_, err := alice.pull(t, "team/app")
	require.Error(t, err)

	startDockit(t, s.dockit.Config())
	requirePulled(t, alice, "team/app", image)
}

// The first start without an admin creates one and prints its password, once.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	config := dockit.Config{Binary: built(t, buildDockit), Dir: t.TempDir()}
	server, err := dockit.Start(t.Context(), config)
	require.NoError(t, err)
	stopAtEnd(t, server.Process)

	// What a process prints comes here a moment later than what it answers.
	var printed []string
	require.Eventually(t, func() bool {
		printed = regexp.MustCompile(`admin "(\S+)" with the password\s+(\S+)\s`).FindStringSubmatch(server.Output())
		return len(printed) == 3
	}, 10*time.Second, 20*time.Millisecond, "no credentials are printed")
	_, err = server.CLI(printed[1], printed[2]).Run(t.Context(), "rbac", "list", "users")
	require.NoError(t, err)

	require.NoError(t, server.Stop())
	again, err := dockit.Start(t.Context(), server.Config())
	require.NoError(t, err)
	stopAtEnd(t, again.Process)
	require.NotContains(t, again.Output(), "password")
}
