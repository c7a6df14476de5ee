package page

import (
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"
)

// pushImages fills the registry with what teams of some size keep in one.
func (e example) pushImages(t *testing.T) {
	t.Helper()
	chance := rand.NewSource(1) // the same pictures each time
	layer := func(size int64) v1.Layer {
		made, err := random.Layer(size, types.OCILayer, random.WithSource(chance))
		require.NoError(t, err)
		return made
	}
	base := []v1.Layer{layer(3_621_480), layer(1_210_000)}
	image := func(version, architecture string, made time.Time) v1.Image {
		built, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), append(base, layer(834_120), layer(9_340))...)
		require.NoError(t, err)
		file, err := built.ConfigFile()
		require.NoError(t, err)
		file = file.DeepCopy()
		file.OS, file.Architecture, file.Created = "linux", architecture, v1.Time{Time: made}
		file.Config = v1.Config{
			Entrypoint: []string{"/usr/bin/api"}, Cmd: []string{"serve", "--listen=:8080"}, User: "65532", WorkingDir: "/srv", ExposedPorts: map[string]struct{}{"8080/tcp": {}},
			Labels: map[string]string{"org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.vendor": "Payments"},
		}
		built, err = mutate.ConfigFile(built, file)
		require.NoError(t, err)
		return mutate.Annotations(built, map[string]string{
			"org.opencontainers.image.source": "https://gitlab.example.com/payments/api", "org.opencontainers.image.version": version,
			"org.opencontainers.image.revision": "4f6c1d20b7a94c5e8d3f",
		}).(v1.Image)
	}
	repository := func(path string) name.Repository {
		found, err := name.NewRepository(strings.TrimPrefix(e.registry, "http://") + "/" + path)
		require.NoError(t, err)
		return found
	}
	for _, path := range []string{
		"payments/ledger", "payments/worker", "platform/base", "platform/runner", "public/toolbox", "web/admin", "web/checkout", "web/shop",
	} {
		require.NoError(t, remote.Write(repository(path).Tag("latest"), image("1.0.0", "amd64", time.Date(2026, 10, 2, 9, 30, 0, 0, time.UTC))))
	}
	api := repository("payments/api")
	for i, version := range []string{"2.2.0", "2.3.0", "2.3.1", "2.4.0", "2.4.1"} {
		made := time.Date(2026, time.Month(7+i), 3+5*i, 8+i, 12, 0, 0, time.UTC)
		amd64, arm64 := image(version, "amd64", made), image(version, "arm64", made)
		if version != "2.4.0" {
			require.NoError(t, remote.Write(api.Tag(version), amd64))
		} else {
			require.NoError(t, remote.WriteIndex(api.Tag(version), mutate.AppendManifests(empty.Index,
				mutate.IndexAddendum{Add: amd64, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
				mutate.IndexAddendum{Add: arm64, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})))
		}
		if version != "2.4.1" {
			continue
		}
		require.NoError(t, remote.Write(api.Tag("latest"), amd64))
		about, err := partial.Descriptor(amd64)
		require.NoError(t, err)
		for _, kind := range []types.MediaType{"application/vnd.dev.sigstore.bundle.v0.3+json", "application/spdx+json"} {
			belonging := mutate.Subject(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), kind), *about).(v1.Image)
			digest, err := belonging.Digest()
			require.NoError(t, err)
			require.NoError(t, remote.Write(api.Digest(digest.String()), belonging))
		}
	}
}
