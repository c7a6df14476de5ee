package registryview

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/internal/registryclient"
	"github.com/dockit-registry/dockit/internal/registrytest"
)

// TestImage guards what is shown of an image, and that contents which never change are
// fetched once.
func TestImage(t *testing.T) {
	for _, lists := range []bool{true, false} {
		t.Run(fmt.Sprintf("lists referrers %v", lists), func(t *testing.T) {
			registry, r := shown(t)
			registry.ListsReferrers = lists
			digest := registry.Image("team/app", "1.0", "2026-01-01T00:00:00Z")
			artifact := func(kind string) string {
				return registry.Manifest("team/app", "", registrytest.ManifestType, fmt.Sprintf(
					`{"mediaType":%q,"artifactType":%q,"subject":{"digest":%q},"layers":[]}`, registrytest.ManifestType, kind, digest))
			}
			sbom, other := artifact("application/spdx+json"), artifact("application/x-other")
			registry.Tag("team/app", registryclient.Digest(digest).Tag()+".sig", other)
			if !lists {
				registry.Manifest("team/app", registryclient.Digest(digest).Tag(), registrytest.IndexType, fmt.Sprintf(
					`{"mediaType":%q,"manifests":[{"digest":%q,"artifactType":"application/spdx+json"},{"digest":%q,"artifactType":"application/x-other"}]}`,
					registrytest.IndexType, sbom, other))
			}
			alice := viewer(t, "alice", "namespace:team:pull")
			image, err := r.Image(t.Context(), alice, "team/app", "1.0")
			require.NoError(t, err)
			assert.Equal(t, registryclient.Digest(digest), image.Digest)
			assert.Equal(t, "1.0", image.Tag)
			assert.Equal(t, []string{"linux/amd64"}, image.Platforms)
			assert.Len(t, image.Manifest.Layers, 1)
			assert.Greater(t, int64(image.Size), int64(1000))
			require.NotNil(t, image.Config)
			assert.Equal(t, registryclient.Text("one"), image.Config.Config.Labels.Get("team"))
			assert.Empty(t, image.Missing)
			kinds := map[registryclient.Digest]Kind{}
			for _, one := range image.Belonging {
				if one.Tag == "" {
					kinds[one.Digest] = one.Kind
				} else {
					assert.Equal(t, Signature, one.Kind)
				}
			}
			assert.Equal(t, map[registryclient.Digest]Kind{registryclient.Digest(sbom): SBOM, registryclient.Digest(other): Other}, kinds)
			assert.Len(t, image.Belonging, 3)

			registry.Requests()
			image, err = r.Image(t.Context(), alice, "team/app", digest)
			require.NoError(t, err)
			assert.Empty(t, image.Tag)
			for _, made := range registry.Requests() {
				assert.NotContains(t, made.Path, "/blobs/")
				assert.NotEqual(t, "GET /v2/team/app/manifests/"+digest, made.Method+" "+made.Path)
				assert.Equal(t, "alice", made.Subject)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	registry, r := shown(t)
	one := registry.Image("team/app", "", "2026-01-01T00:00:00Z")
	attestation := registry.Manifest("team/app", "", registrytest.ManifestType, `{"layers":[]}`)
	missing := registrytest.Digest([]byte("never copied"))
	registry.Manifest("team/app", "1.0", registrytest.IndexType, fmt.Sprintf(`{"mediaType":%q,"annotations":{"org.opencontainers.image.source":"https://example.com"},"manifests":[
		{"digest":%q,"size":1,"platform":{"os":"linux","architecture":"amd64"}},
		{"digest":%q,"size":1,"platform":{"os":"linux","architecture":"arm64","variant":"v8"}},
		{"digest":"nonsense","platform":{"os":"linux","architecture":"s390x"}},
		{"digest":%q,"size":1,"platform":{"os":"unknown","architecture":"unknown"},"annotations":{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":%q}}]}`,
		registrytest.IndexType, one, missing, attestation, one))
	image, err := r.Image(t.Context(), viewer(t, "alice", "namespace:team:pull"), "team/app", "1.0")
	require.NoError(t, err)
	require.Len(t, image.Images, 3)
	assert.Equal(t, "linux/amd64", image.Images[0].Name())
	assert.Greater(t, int64(image.Images[0].Total), int64(1000))
	assert.Equal(t, "linux/arm64/v8", image.Images[1].Name())
	assert.Zero(t, image.Images[1].Total)
	assert.Equal(t, []string{"linux/amd64", "linux/arm64/v8", "linux/s390x"}, image.Platforms)
	assert.Equal(t, "2026-01-01", image.Created.Format("2006-01-02"))
	require.Len(t, image.Belonging, 1)
	assert.Equal(t, Attestation, image.Belonging[0].Kind)
	assert.Equal(t, registryclient.Digest(one), image.Belonging[0].Of)
	require.Len(t, image.Missing, 1)
	assert.Equal(t, "linux/arm64/v8", image.Missing[0].What)
	require.ErrorIs(t, image.Missing[0].Err, registryclient.ErrNotFound)
}

// TestWhatCannotBeReadIsSaid guards images whose registry hands contents over at
// another host: what can be read is shown, with the reason for what is missing.
func TestWhatCannotBeReadIsSaid(t *testing.T) {
	registry, _ := shown(t)
	registry.Image("a", "1", "2026-01-01T00:00:00Z")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.Contains(q.URL.Path, "/blobs/") {
			http.Redirect(w, q, "https://bucket.example.com/x", http.StatusTemporaryRedirect)
			return
		}
		registry.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	r, v := look(t, server.URL), viewer(t, "alice", "repository:a:pull")
	image, err := r.Image(t.Context(), v, "a", "1")
	require.NoError(t, err)
	require.Len(t, image.Missing, 1, "the same reason once")
	require.ErrorIs(t, image.Missing[0].Err, registryclient.ErrRedirected)
	assert.Nil(t, image.Config)
	assert.Len(t, image.Manifest.Layers, 1)
	tags, err := r.Tags(t.Context(), v, "a", Query{})
	require.NoError(t, err)
	require.ErrorIs(t, tags.Undated, registryclient.ErrRedirected)
	assert.NotZero(t, tags.Tags[0].Size)
}

func TestReferencesThatAreNone(t *testing.T) {
	registry, r := shown(t)
	for _, reference := range []string{"", "../../secret/manifests/latest", "a/b", "sha256:x", "<b>", "a?b", "a#b", strings.Repeat("a", 1000)} {
		_, err := r.Image(t.Context(), viewer(t, "admin", "repository:**:*"), "a", reference)
		require.ErrorIs(t, err, ErrInvalidReference, "%q", reference)
		assert.Less(t, len(err.Error()), 400)
	}
	for _, repository := range []string{"", "..", "a/../b", "A", "a?b", "a/tags/list?x="} {
		_, err := r.Image(t.Context(), viewer(t, "admin", "repository:**:*"), repository, "1")
		require.ErrorIs(t, err, ErrNotAllowed, "%q", repository)
	}
	assert.Empty(t, registry.Requests())
}

func TestKindsOfArtifacts(t *testing.T) {
	annotated := func(pairs ...registryclient.Annotation) registryclient.Annotations { return pairs }
	for name, c := range map[string]struct {
		of   registryclient.Descriptor
		want Kind
	}{
		"cosign signature":   {registryclient.Descriptor{ArtifactType: "application/vnd.dev.cosign.artifact.sig.v1+json"}, Signature},
		"notation":           {registryclient.Descriptor{ArtifactType: "application/vnd.cncf.notary.signature"}, Signature},
		"SPDX":               {registryclient.Descriptor{ArtifactType: "application/spdx+json"}, SBOM},
		"CycloneDX":          {registryclient.Descriptor{ArtifactType: "application/vnd.cyclonedx+json"}, SBOM},
		"syft":               {registryclient.Descriptor{ArtifactType: "application/vnd.syft+json"}, SBOM},
		"in-toto":            {registryclient.Descriptor{ArtifactType: "application/vnd.in-toto+json"}, Attestation},
		"SARIF":              {registryclient.Descriptor{ArtifactType: "application/sarif+json"}, Attestation},
		"bundle":             {registryclient.Descriptor{ArtifactType: "application/vnd.dev.sigstore.bundle.v0.3+json"}, Signature},
		"bundle of cosign 3": {registryclient.Descriptor{ArtifactType: "application/vnd.dev.sigstore.bundle.v0.3+json", Annotations: annotated(registryclient.Annotation{Key: bundleContent, Value: "dsse-envelope"}, registryclient.Annotation{Key: bundlePredicate, Value: cosignSign})}, Signature},
		"bundle of SLSA":     {registryclient.Descriptor{ArtifactType: "application/vnd.dev.sigstore.bundle.v0.3+json", Annotations: annotated(registryclient.Annotation{Key: bundlePredicate, Value: "https://slsa.dev/provenance/v1"})}, Attestation},
		"bundle of SPDX":     {registryclient.Descriptor{ArtifactType: "application/vnd.dev.sigstore.bundle.v0.3+json", Annotations: annotated(registryclient.Annotation{Key: bundlePredicate, Value: "https://spdx.dev/Document"})}, SBOM},
		"something":          {registryclient.Descriptor{ArtifactType: "application/x-something"}, Other},
		"nothing":            {registryclient.Descriptor{}, Other},
	} {
		assert.Equal(t, c.want, kindOf(c.of), name)
	}
}
