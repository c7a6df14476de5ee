package e2e

import "testing"

func testNamespace(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	team := s.unique("team")
	s.grant(t, alice.ref(), "namespace:"+team+":push")

	requirePushed(t, alice, team+"/app")
	requirePushed(t, alice, team+"/deep/er/app")
	// A longer name is another namespace, not a part of this one.
	requireRefused(t, alice.push(t, team+"work/app", newImage(t)))
	requireRefused(t, alice.push(t, "other/"+team+"/app", newImage(t)))
}

func testWildcards(t *testing.T, s *stack) {
	alice := s.addUser(t, "alice")
	team := s.unique("team")
	s.grant(t, alice.ref(), "repository:"+team+"/*:push", "repository:"+team+"/**/cache:push")

	requirePushed(t, alice, team+"/app")
	requirePushed(t, alice, team+"/a/b/cache")
	requireRefused(t, alice.push(t, team+"/a/b/app", newImage(t)))
}
