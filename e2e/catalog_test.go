package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func testCatalog(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push")
	requirePushed(t, alice, repo)

	_, err := alice.catalog(t)
	requireRefused(t, err)

	s.grant(t, alice.ref(), "registry:catalog:*")
	repositories, err := alice.catalog(t)
	require.NoError(t, err)
	require.Contains(t, repositories, repo)

	s.rbac(t, "revoke", alice.ref(), "registry:catalog:*")
	_, err = alice.catalog(t)
	requireRefused(t, err)
}
