package e2e

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
)

func testUserPermission(t *testing.T, s *stack) {
	alice, bob := s.addUser(t, "alice"), s.addUser(t, "bob")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push")
	s.grant(t, bob.ref(), "repository:"+repo+":pull")

	image := requirePushed(t, alice, repo)
	requirePulled(t, bob, repo, image)
	requireRefused(t, bob.push(t, repo, newImage(t)))
	requireRefused(t, alice.push(t, repo+"2", newImage(t)))
}

func testNoPermission(t *testing.T, s *stack) {
	alice, eve := s.addUser(t, "alice"), s.addUser(t, "eve")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push")
	image := requirePushed(t, alice, repo)

	_, err := eve.pull(t, repo)
	requireRefused(t, err)
	requireRefused(t, eve.push(t, repo, newImage(t)))
	requireRefused(t, eve.delete(t, repo, image))
}

func testPullOnly(t *testing.T, s *stack) {
	alice, bob := s.addUser(t, "alice"), s.addUser(t, "bob")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push")
	s.grant(t, bob.ref(), "repository:"+repo+":pull")
	image := requirePushed(t, alice, repo)

	requireRefused(t, bob.push(t, repo, newImage(t)))
	requireRefused(t, bob.delete(t, repo, image))
	requirePulled(t, bob, repo, image)
}

func testWrongCredentials(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push")
	requirePushed(t, alice, repo)

	wrong := alice
	wrong.password = rand.Text()
	_, err := wrong.pull(t, repo)
	requireLoginRefused(t, err)

	unknown := wrong
	unknown.username = s.unique("nobody")
	_, unknownErr := unknown.pull(t, repo)
	requireLoginRefused(t, unknownErr)

	// What is public for anonymous requests stays closed to wrong credentials.
	s.grant(t, "user:anonymous", "repository:"+repo+":pull")
	_, err = wrong.pull(t, repo)
	requireLoginRefused(t, err)
}

func testRevoke(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push,delete")
	image := requirePushed(t, alice, repo)

	s.rbac(t, "revoke", alice.ref(), "repository:"+repo+":delete")
	requireRefused(t, alice.delete(t, repo, image))
	requirePulled(t, alice, repo, image)
	require.NoError(t, alice.push(t, repo, newImage(t)))

	// Pushing included pulling, so nothing is left.
	s.rbac(t, "revoke", alice.ref(), "repository:"+repo+":push")
	requireRefused(t, alice.push(t, repo, newImage(t)))
	_, err := alice.pull(t, repo)
	requireRefused(t, err)
}

func testDisabledUser(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push")
	image := requirePushed(t, alice, repo)

	s.rbac(t, "disable", alice.ref())
	_, err := alice.pull(t, repo)
	requireLoginRefused(t, err)

	s.rbac(t, "enable", alice.ref())
	requirePulled(t, alice, repo, image)
}

func testRemovedUser(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push")
	requirePushed(t, alice, repo)

	s.rbac(t, "remove", alice.ref())
	_, err := alice.pull(t, repo)
	requireLoginRefused(t, err)

	// Somebody new of the same name inherits nothing.
	_, err = s.admin.RunInput(t.Context(), alice.password, "rbac", "add", alice.ref(), "--password-stdin")
	require.NoError(t, err)
	_, err = alice.pull(t, repo)
	requireRefused(t, err)
}

func testChangedPassword(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push")
	image := requirePushed(t, alice, repo)

	changed := alice
	// A colon must not end the password, and its 73rd byte must count.
	changed.password = "pass:word: ünïcode " + rand.Text() + rand.Text() + rand.Text()
	_, err := s.admin.RunInput(t.Context(), changed.password, "rbac", "change-password", alice.ref(), "--password-stdin")
	require.NoError(t, err)
	requirePulled(t, changed, repo, image)

	_, err = alice.pull(t, repo)
	requireLoginRefused(t, err)

	cut := changed
	cut.password = changed.password[:len(changed.password)-1]
	_, err = cut.pull(t, repo)
	requireLoginRefused(t, err)
}
