package e2e

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// browser is somebody at the page, without script.
type browser struct {
	*http.Client
	base string
}

// browse signs a client in at the page.
func (s *stack) browse(t *testing.T, c client) browser {
	t.Helper()
	return browse(t, s.dockit.URL, c)
}

// browse signs a client in at the page of a server.
func browse(t *testing.T, server string, c client) browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	b := browser{&http.Client{Jar: jar}, server + "/dockit/"}
	require.Contains(t, b.post(t, "sign-in", http.StatusOK, "name", c.username, "password", c.password), "Hello, "+c.username)
	return b
}

func (b browser) get(t *testing.T, path string, status int) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+path, nil)
	require.NoError(t, err)
	return b.answer(t, r, status)
}

// post sends a form, whose fields are names and values in turn, and follows to where it leads.
func (b browser) post(t *testing.T, path string, status int, fields ...string) string {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.answer(t, r, status)
}

func (b browser) answer(t *testing.T, r *http.Request, status int) string {
	t.Helper()
	answer, err := b.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, status, answer.StatusCode, "%s: %s", r.URL, body)
	return html.UnescapeString(string(body))
}

func made(t *testing.T, image v1.Image, at string) v1.Image {
	t.Helper()
	when, err := time.Parse(time.DateOnly, at)
	require.NoError(t, err)
	image, err = mutate.CreatedAt(image, v1.Time{Time: when})
	require.NoError(t, err)
	return image
}

func digestOf(t *testing.T, of partial.Describable) string {
	t.Helper()
	digest, err := of.Digest()
	require.NoError(t, err)
	return digest.String()
}

// testPage looks at a real registry as people do: lists, tags, images, what belongs to them, and deletion.
func testPage(t *testing.T, s *stack) {
	alice, bob := s.addUser(t, "alice"), s.addUser(t, "bob")
	repo := s.unique("team") + "/app"
	s.grant(t, alice.ref(), "repository:"+repo+":*")
	in := alice.repository(t, repo)
	push := func(tag string, image v1.Image) {
		require.NoError(t, remote.Write(in.Tag(tag), image, alice.options(t)...))
	}
	old, newest := made(t, newImage(t), "2024-05-06"), made(t, newImage(t), "2026-07-08")
	push("2.0", old)
	push("1.9", newest)
	require.NoError(t, remote.Tag(in.Tag("stable"), newest, alice.options(t)...))
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: old, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: newest, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}}})
	require.NoError(t, remote.WriteIndex(in.Tag("multi"), index, alice.options(t)...))
	about, err := partial.Descriptor(newest)
	require.NoError(t, err)
	sbom := mutate.Subject(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/spdx+json"), *about).(v1.Image)
	require.NoError(t, remote.Write(in.Digest(digestOf(t, sbom)), sbom, alice.options(t)...))

	page := s.browse(t, alice)
	at := url.Values{"name": {repo}}.Encode()
	// Names may be as of a moment ago.
	require.Eventually(t, func() bool {
		return strings.Contains(page.get(t, "repositories", http.StatusOK), ">"+repo+"</a>")
	}, 2*time.Minute, time.Second)
	tags := page.get(t, "repositories/tags?"+at, http.StatusOK)
	require.Regexp(t, `(?s)>1\.9</a>.*>stable</a>.*>2\.0</a>`, tags, "the newest first")
	require.Contains(t, tags, "2026-07-08 00:00 UTC")
	require.Contains(t, tags, "2024-05-06 00:00 UTC")
	require.Contains(t, tags, "docker pull "+service+"/"+repo+":1.9")

	image := page.get(t, "repositories/image?tag=1.9&"+at, http.StatusOK)
	require.Contains(t, image, digestOf(t, newest))
	require.Contains(t, image, ">SBOM<")
	require.Contains(t, image, "application/spdx+json")
	require.NotContains(t, image, "Could not be read")
	multi := page.get(t, "repositories/image?tag=multi&"+at, http.StatusOK)
	require.Contains(t, multi, ">linux/amd64</a>")
	require.Contains(t, multi, ">linux/arm64/v8</a>")

	nothing := s.browse(t, bob)
	require.NotContains(t, nothing.get(t, "repositories", http.StatusOK), repo)
	require.Contains(t, nothing.get(t, "repositories/tags?"+at, http.StatusForbidden), "Nothing")
	nothing.get(t, "repositories/image?tag=1.9&"+at, http.StatusForbidden)
	s.grant(t, bob.ref(), "repository:"+repo+":pull")
	require.Contains(t, nothing.get(t, "repositories/tags?"+at, http.StatusOK), ">1.9</a>")

	asked := page.get(t, "repositories/delete?tag=1.9&"+at, http.StatusOK)
	require.Contains(t, asked, "<code>stable</code>")
	require.NotContains(t, asked, "<code>2.0</code>")
	fields := []string{"name", repo, "tag", "1.9", "digest", digestOf(t, newest)}
	nothing.post(t, "repositories/delete", http.StatusForbidden, fields...)
	require.Contains(t, page.post(t, "repositories/delete", http.StatusOK, fields...), "The image is deleted")
	left := page.get(t, "repositories/tags?"+at, http.StatusOK)
	require.NotContains(t, left, ">1.9</a>")
	require.NotContains(t, left, ">stable</a>")
	require.Contains(t, left, ">2.0</a>")
	page.get(t, "repositories/image?tag=1.9&"+at, http.StatusNotFound)
}

// TestPageSaysWhichSwitch looks at registries that delete nothing.
func TestPageSaysWhichSwitch(t *testing.T) {
	t.Parallel()
	for _, kind := range registry.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := startStackOf(t, kind, []string{"REGISTRY_STORAGE_DELETE_ENABLED=false"})
			alice := s.addUser(t, "alice")
			s.grant(t, alice.ref(), "repository:app:*")
			image := requirePushed(t, alice, "app")
			require.Contains(t, s.browse(t, alice).post(t, "repositories/delete", http.StatusMethodNotAllowed, "name", "app", "tag", "latest", "digest", digestOf(t, image)),
				"REGISTRY_STORAGE_DELETE_ENABLED=true")
			requirePulled(t, alice, "app", image)
		})
	}
}
