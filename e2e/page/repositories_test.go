package page

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// newRegistry is a registry in memory with images of a team. It asks nobody for a token: what is seen of it, the page decides.
func newRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true)))
	t.Cleanup(server.Close)
	push := func(ref string, image v1.Image) name.Tag {
		tag, err := name.NewTag(strings.TrimPrefix(server.URL, "http://") + "/" + ref)
		require.NoError(t, err)
		require.NoError(t, remote.Write(tag, image))
		return tag
	}
	image := func(month time.Month) v1.Image {
		made, err := random.Image(2048, 3)
		require.NoError(t, err)
		made, err = mutate.CreatedAt(made, v1.Time{Time: time.Date(2026, month, 1, 12, 0, 0, 0, time.UTC)})
		require.NoError(t, err)
		return mutate.Annotations(mutate.MediaType(made, types.OCIManifestSchema1), map[string]string{
			"org.opencontainers.image.source": "https://git.example.com/team/app", "org.opencontainers.image.description": "<b>An app</b>",
		}).(v1.Image)
	}
	newest := image(time.November)
	tag := push("team/app:1.10.0", newest)
	push("team/app:latest", newest)
	push("team/app:1.9.2", image(time.October))
	push("team/web:latest", image(time.May))
	push("secret/app:latest", image(time.May))
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: newest, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: image(time.November), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	require.NoError(t, remote.WriteIndex(tag.Context().Tag("multi"), index))
	about, err := partial.Descriptor(newest)
	require.NoError(t, err)
	sbom := mutate.Subject(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/spdx+json"), *about).(v1.Image)
	digest, err := sbom.Digest()
	require.NoError(t, err)
	require.NoError(t, remote.Write(tag.Context().Digest(digest.String()), sbom))
	return server.URL
}

// TestPeopleFindTheirImages goes from the list to an image, to why, and deletes one, with script and without.
func TestPeopleFindTheirImages(t *testing.T) {
	t.Parallel()
	for called, script := range map[string]bool{"with script": true, "without script": false} {
		t.Run(called, func(t *testing.T) {
			s := newSite(t, dockit.Config{Args: []string{"--registry", "registry.example.com=" + newRegistry(t)}})
			s.url = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
			s.run(t, "", "rbac", "grant", "user:alice", "repository:team/app:delete")
			b := newBrowser(t, s, script)
			b.signIn("alice")
			b.click(`nav a[href="/dockit/repositories"]`, "Repositories")
			list := b.text("main")
			assert.Contains(t, list, "team/app")
			assert.NotContains(t, list, "secret")
			b.fill("q", "WEB")
			b.click("main form button", "Repositories")
			assert.NotContains(t, b.text("main tbody"), "team/app")
			b.open("repositories")
			b.click(`main tbody a[href*="team%2fapp"]`, "team/app")
			assert.Contains(t, b.text("main"), "docker pull registry.example.com/team/app:")
			assert.Contains(t, b.text("main"), "repository:team/app:delete")
			b.click(`main tbody a[href$="tag=1.10.0"]`, "team/app:1.10.0")
			image := b.text("main")
			for _, want := range []string{"docker pull registry.example.com/team/app@sha256:", "SBOM", "<b>An app</b>", "was not verified"} {
				assert.Contains(t, image, want)
			}
			b.click(`main a[href*="repositories/delete"]`, "Delete team/app:1.10.0?")
			assert.Contains(t, b.text("main li:has(.badge)"), "1.10.0")
			assert.Contains(t, b.text("main"), "latest")
			b.click("button.danger", "team/app")
			assert.Contains(t, b.text(".notice"), "The image is deleted")

			b.open("repositories/tags?name=secret/app")
			b.sees("You may not see secret/app")
			assert.Contains(t, b.text("main"), "dockit rbac grant user:alice")
		})
	}
}

// TestEverybodyCanUsePagesOfRepositories has axe look at them in both themes, and each fit a small screen.
func TestEverybodyCanUsePagesOfRepositories(t *testing.T) {
	t.Parallel()
	s := newSite(t, dockit.Config{Args: []string{"--registry", "registry.example.com=" + newRegistry(t), "--service", "other"}})
	s.url = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	b := newBrowser(t, s, true)
	b.signIn("root")
	for name, path := range map[string]string{
		"repositories": "repositories", "repositories-none": "repositories?q=nothing", "repositories-unknown": "repositories?service=other",
		"repository": "repositories/tags?name=team/app", "image": "repositories/image?name=team/app&tag=1.10.0", "index": "repositories/image?name=team/app&tag=multi",
		"access": "repositories/access?name=team/app&subject=user:alice", "deletion": "repositories/delete?name=team/app&tag=latest",
		"no-image": "repositories/image?name=team/app&tag=none",
	} {
		b.open(path)
		b.look(name)
	}
}
