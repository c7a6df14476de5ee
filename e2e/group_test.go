package e2e

import (
	"testing"
)

func testGroupPermission(t *testing.T, s *stack) {
	alice, bob := s.addUser(t, "alice"), s.addUser(t, "bob")
	dev := s.addGroup(t, "dev")
	repo := s.unique("team") + "/app"
	s.grant(t, dev, "repository:"+repo+":push")
	s.rbac(t, "add-member", dev, alice.ref())

	image := requirePushed(t, alice, repo)
	_, err := bob.pull(t, repo)
	requireRefused(t, err)

	s.rbac(t, "add-member", dev, bob.ref())
	requirePulled(t, bob, repo, image)

	s.rbac(t, "remove-member", dev, alice.ref())
	_, err = alice.pull(t, repo)
	requireRefused(t, err)

	s.rbac(t, "remove", dev)
	_, err = bob.pull(t, repo)
	requireRefused(t, err)
}

func testAuthenticated(t *testing.T, s *stack) {
	alice, bob := s.addUser(t, "alice"), s.addUser(t, "bob")
	repo := s.unique("shared") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":push")
	s.grant(t, "group:authenticated", "repository:"+repo+":pull")

	image := requirePushed(t, alice, repo)
	requirePulled(t, bob, repo, image)
	requireRefused(t, bob.push(t, repo, newImage(t)))
	_, err := s.anonymous().pull(t, repo)
	requireRefused(t, err)
}

func testUsernamePlaceholder(t *testing.T, s *stack) {
	alice, bob := s.addUser(t, "alice"), s.addUser(t, "bob")
	home := s.unique("home")
	s.grant(t, "group:authenticated", "repository:"+home+"/{username}/**:push")

	requirePushed(t, alice, home+"/"+alice.username+"/app")
	requirePushed(t, bob, home+"/"+bob.username+"/deep/er/app")
	requireRefused(t, bob.push(t, home+"/"+alice.username+"/app", newImage(t)))
	requireRefused(t, alice.push(t, home+"/app", newImage(t)))
	requireRefused(t, s.anonymous().push(t, home+"/anonymous/app", newImage(t)))
}
