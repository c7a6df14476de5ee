package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/require"
)

// client is somebody who uses a registry: with a name and a password, or anonymously.
type client struct {
	host               string
	username, password string
	transport          http.RoundTripper
}

// ref names the client's user on Dockit's command line.
func (c client) ref() string {
	return "user:" + c.username
}

func (c client) options(t *testing.T) []remote.Option {
	t.Helper()
	auth := authn.Anonymous
	if c.username != "" {
		auth = &authn.Basic{Username: c.username, Password: c.password}
	}
	options := []remote.Option{remote.WithContext(t.Context()), remote.WithAuth(auth)}
	if c.transport != nil {
		options = append(options, remote.WithTransport(c.transport))
	}
	return options
}

func (c client) repository(t *testing.T, repository string) name.Repository {
	t.Helper()
	r, err := name.NewRepository(c.host + "/" + repository)
	require.NoError(t, err)
	return r
}

// push writes an image under the tag latest.
func (c client) push(t *testing.T, repository string, image v1.Image) error {
	t.Helper()
	return remote.Write(c.repository(t, repository).Tag("latest"), image, c.options(t)...)
}

// pull reads and checks every byte of the image tagged latest.
func (c client) pull(t *testing.T, repository string) (v1.Image, error) {
	t.Helper()
	image, err := remote.Image(c.repository(t, repository).Tag("latest"), c.options(t)...)
	if err != nil {
		return nil, err
	}
	return image, validate.Image(image)
}

// delete removes the image tagged latest.
func (c client) delete(t *testing.T, repository string, image v1.Image) error {
	t.Helper()
	digest, err := image.Digest()
	require.NoError(t, err)
	return remote.Delete(c.repository(t, repository).Digest(digest.String()), c.options(t)...)
}

// catalog lists the repositories of the registry.
func (c client) catalog(t *testing.T) ([]string, error) {
	t.Helper()
	r, err := name.NewRegistry(c.host)
	require.NoError(t, err)
	return remote.Catalog(t.Context(), r, c.options(t)...)
}

// newImage makes an image that no registry has seen.
func newImage(t *testing.T) v1.Image {
	t.Helper()
	image, err := random.Image(512, 2)
	require.NoError(t, err)
	return image
}

// requirePushed checks that a push worked and that the same image comes back.
func requirePushed(t *testing.T, c client, repository string) v1.Image {
	t.Helper()
	image := newImage(t)
	require.NoError(t, c.push(t, repository, image))
	requirePulled(t, c, repository, image)
	return image
}

func requirePulled(t *testing.T, c client, repository string, want v1.Image) {
	t.Helper()
	got, err := c.pull(t, repository)
	require.NoError(t, err)
	wantDigest, err := want.Digest()
	require.NoError(t, err)
	gotDigest, err := got.Digest()
	require.NoError(t, err)
	require.Equal(t, wantDigest, gotDigest)
}

// requireRefused checks that the registry itself refused a request for lack of rights: Dockit gave a token, but
// not one that is good for it.
func requireRefused(t *testing.T, err error) {
	t.Helper()
	e := requireHTTPError(t, err)
	require.Equal(t, http.StatusUnauthorized, e.StatusCode, "%v", err)
	require.False(t, strings.HasSuffix(e.Request.URL.Path, "/v2/token"), "refused by the token endpoint: %v", err)
}

// requireLoginRefused checks that Dockit refused to give a token.
func requireLoginRefused(t *testing.T, err error) {
	t.Helper()
	e := requireHTTPError(t, err)
	require.Equal(t, http.StatusUnauthorized, e.StatusCode, "%v", err)
	require.True(t, strings.HasSuffix(e.Request.URL.Path, "/v2/token"), "refused by the registry: %v", err)
}

func requireHTTPError(t *testing.T, err error) *transport.Error {
	t.Helper()
	var e *transport.Error
	require.ErrorAs(t, err, &e)
	require.NotNil(t, e.Request)
	return e
}
