package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func testDelete(t *testing.T, s *stack) {
	alice, bob := s.addUser(t, "alice"), s.addUser(t, "bob")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push")
	s.grant(t, bob.ref(), "repository:"+repo+":delete")
	image := requirePushed(t, alice, repo)

	requireRefused(t, alice.delete(t, repo, image))
	requirePulled(t, alice, repo, image)
	// Deleting includes nothing else.
	_, err := bob.pull(t, repo)
	requireRefused(t, err)

	require.NoError(t, bob.delete(t, repo, image))
	_, err = alice.pull(t, repo)
	require.Equal(t, http.StatusNotFound, requireHTTPError(t, err).StatusCode)
}
