package e2e

import "testing"

func testAnonymous(t *testing.T, s *stack) {
	alice, bob := s.addUser(t, "alice"), s.addUser(t, "bob")
	team := s.unique("team")
	s.grant(t, alice.ref(), "namespace:"+team+":*")
	s.grant(t, "user:anonymous", "repository:"+team+"/public:pull")

	public := requirePushed(t, alice, team+"/public")
	requirePushed(t, alice, team+"/private")

	requirePulled(t, s.anonymous(), team+"/public", public)
	// What anonymous requests may do, everyone may.
	requirePulled(t, bob, team+"/public", public)

	_, err := s.anonymous().pull(t, team+"/private")
	requireRefused(t, err)
	requireRefused(t, s.anonymous().push(t, team+"/public", newImage(t)))
	requireRefused(t, s.anonymous().delete(t, team+"/public", public))
	_, err = s.anonymous().catalog(t)
	requireRefused(t, err)
}
