package e2e

import (
	"net/http"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"
)

func testMount(t *testing.T, s *stack) {
	alice, bob := s.addUser(t, "alice"), s.addUser(t, "bob")
	team := s.unique("team")
	s.grant(t, alice.ref(), "repository:"+team+"/source:push")
	s.grant(t, bob.ref(), "repository:"+team+"/source:pull", "repository:"+team+"/target:push")
	image := requirePushed(t, alice, team+"/source")

	seen := &mounts{}
	bob.transport = seen
	mounted := mountable(t, bob, team+"/source", image)
	require.NoError(t, bob.push(t, team+"/target", mounted))
	require.NotEmpty(t, seen.statuses)
	for _, status := range seen.statuses {
		require.Equal(t, http.StatusCreated, status, "a layer was uploaded and not mounted")
	}
	requirePulled(t, bob, team+"/target", mounted)
}

// A mount from a repository that the user may not read must not give away its layers; the client uploads its own
// copy instead.
func testMountRefused(t *testing.T, s *stack) {
	alice, bob := s.addUser(t, "alice"), s.addUser(t, "bob")
	team := s.unique("team")
	s.grant(t, alice.ref(), "namespace:"+team+":push")
	s.grant(t, bob.ref(), "repository:"+team+"/target:push")
	image := requirePushed(t, alice, team+"/source")

	seen := &mounts{}
	bob.transport = seen
	require.NoError(t, bob.push(t, team+"/target", mountable(t, bob, team+"/source", image)))
	require.NotEmpty(t, seen.statuses)
	for _, status := range seen.statuses {
		require.NotEqual(t, http.StatusCreated, status, "a layer was mounted from a repository that bob may not read")
	}
}

// mountable is an image of the same layers that tells the client where the registry already has them.
func mountable(t *testing.T, c client, repository string, image v1.Image) v1.Image {
	t.Helper()
	layers, err := image.Layers()
	require.NoError(t, err)
	result := empty.Image
	for _, layer := range layers {
		result, err = mutate.AppendLayers(result, &remote.MountableLayer{
			Layer:     layer,
			Reference: c.repository(t, repository).Tag("latest"),
		})
		require.NoError(t, err)
	}
	return result
}

// mounts notes how a registry answers requests to mount a layer.
type mounts struct {
	mu       sync.Mutex
	statuses []int
}

func (m *mounts) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := remote.DefaultTransport.RoundTrip(req)
	if err == nil && req.Method == http.MethodPost && req.URL.Query().Has("from") {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.statuses = append(m.statuses, resp.StatusCode)
	}
	return resp, err
}
