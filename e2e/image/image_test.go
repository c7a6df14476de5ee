package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/buildkit"
	"github.com/dockit-registry/dockit/e2e/internal/cannot"
)

const (
	version = "v1.2.3"
	created = "2026-11-01T12:00:00+00:00"
)

// targets are the images, by the target of the Dockerfile: the last stage has none.
var targets = map[string]struct {
	target, title string
	entrypoint    []string
}{
	"dockit":            {"", "Dockit", []string{"dockit"}},
	"dockit-kubernetes": {"kubernetes", "dockit-kubernetes", []string{"dockit-kubernetes"}},
}

// TestImage builds every image for every platform: DOCKIT_TEST_PLATFORMS=linux/amd64 is quicker.
func TestImage(t *testing.T) {
	root, err := build.Root()
	require.NoError(t, err)
	clients := filepath.Join(root, "bin", "clients")
	daemons, err := filepath.Glob(filepath.Join(clients, "buildkitd-*"))
	require.NoError(t, err)
	if len(daemons) == 0 {
		cannot.Run(t, errors.New("there is no bin/clients/buildkitd: run scripts/get-buildkit bin/clients"))
	}
	buildctl := filepath.Join(clients, strings.Replace(filepath.Base(daemons[0]), "buildkitd", "buildctl", 1))
	if _, err := os.Stat(buildctl); err != nil {
		cannot.Run(t, fmt.Errorf("%w: run scripts/get-buildkit bin/clients", err))
	}
	if os.Geteuid() != 0 {
		cannot.Run(t, errors.New("BuildKit runs as root only, as it is here"))
	}
	scanner := scannerAt(t, root)
	folder, err := os.MkdirTemp("", "") // a socket has a short path
	require.NoError(t, err)
	daemon, err := buildkit.Start(t.Context(), buildkit.Config{
		Path: daemons[0], Folder: folder, Registries: map[string]string{strings.Split(scanner, "/")[0]: ""}, Snapshotter: "auto",
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, daemon.Stop()) })
	platforms := strings.FieldsFunc(os.Getenv("DOCKIT_TEST_PLATFORMS"), func(r rune) bool { return r == ' ' || r == ',' })
	if len(platforms) == 0 {
		platforms = []string{"linux/amd64", "linux/arm64"}
	}
	base := goBase(t)
	for program, image := range targets {
		t.Run(program, func(t *testing.T) {
			into := t.TempDir()
			args := []string{
				"--addr", daemon.Address(), "build", "--progress", "plain", "--frontend", "dockerfile.v0",
				"--local", "context=" + root, "--local", "dockerfile=" + root,
				"--local", "go=" + base, "--opt", "context:" + goImage(t, root) + "=local:go",
				"--opt", "platform=" + strings.Join(platforms, ","),
				"--opt", "attest:sbom=generator=" + scanner, "--opt", "attest:provenance=mode=max",
				"--opt", "build-arg:VERSION=" + version, "--opt", "build-arg:COMMIT=0123456789abcdef", "--opt", "build-arg:CREATED=" + created,
				"--output", "type=oci,tar=false,dest=" + into,
			}
			if image.target != "" {
				args = append(args, "--opt", "target="+image.target)
			}
			began := time.Now()
			out, err := exec.CommandContext(t.Context(), buildctl, args...).CombinedOutput()
			require.NoError(t, err, "%s", out)
			t.Logf("built for %v in %s", platforms, time.Since(began).Round(time.Second))
			built := read(t, into)
			require.Len(t, built, len(platforms))
			for _, platform := range platforms {
				t.Run(strings.ReplaceAll(platform, "/", " "), func(t *testing.T) {
					require.Contains(t, built, platform)
					built[platform].require(t, image.title, image.entrypoint)
				})
			}
		})
	}
}

// goImage is the image of Go in the Dockerfile, as it is pinned there.
func goImage(t *testing.T, root string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	require.NoError(t, err)
	match := regexp.MustCompile(`(?m)^FROM --platform=\$BUILDPLATFORM (golang:\S+) AS`).FindSubmatch(content)
	require.NotNil(t, match, "the Dockerfile begins with another image")
	return string(match[1])
}

// image is one of a platform, with what is attested of it.
type image struct {
	digest     string
	config     *v1.ConfigFile
	predicates map[string]json.RawMessage
}

// read reads the images of a layout by platform. The first index leads to that of the build.
func read(t *testing.T, folder string) map[string]*image {
	t.Helper()
	outer, err := layout.ImageIndexFromPath(folder)
	require.NoError(t, err)
	manifest, err := outer.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 1)
	index, err := outer.ImageIndex(manifest.Manifests[0].Digest)
	require.NoError(t, err)
	manifest, err = index.IndexManifest()
	require.NoError(t, err)
	images, byDigest := map[string]*image{}, map[string]*image{}
	for _, d := range manifest.Manifests {
		if d.Annotations["vnd.docker.reference.type"] != "" {
			continue
		}
		one, err := index.Image(d.Digest)
		require.NoError(t, err)
		config, err := one.ConfigFile()
		require.NoError(t, err)
		i := &image{digest: d.Digest.String(), config: config, predicates: map[string]json.RawMessage{}}
		images[d.Platform.String()], byDigest[i.digest] = i, i
	}
	for _, d := range manifest.Manifests {
		if d.Annotations["vnd.docker.reference.type"] != "attestation-manifest" {
			continue
		}
		of := byDigest[d.Annotations["vnd.docker.reference.digest"]]
		require.NotNil(t, of, "%s attests something that is not there", d.Digest)
		attestation, err := index.Image(d.Digest)
		require.NoError(t, err)
		layers, err := attestation.Layers()
		require.NoError(t, err)
		for _, layer := range layers {
			reader, err := layer.Uncompressed()
			require.NoError(t, err)
			content, err := io.ReadAll(reader)
			require.NoError(t, err)
			var statement struct {
				Type      string          `json:"predicateType"`
				Predicate json.RawMessage `json:"predicate"`
				Subject   []struct{ Digest map[string]string }
			}
			require.NoError(t, json.Unmarshal(content, &statement))
			for _, subject := range statement.Subject {
				assert.Equal(t, of.digest, "sha256:"+subject.Digest["sha256"], "what a statement is about")
			}
			of.predicates[statement.Type] = statement.Predicate
		}
	}
	return images
}

// require looks at everything that is promised of an image.
func (i *image) require(t *testing.T, title string, entrypoint []string) {
	t.Helper()
	assert.Equal(t, "65532:65532", i.config.Config.User)
	assert.Equal(t, entrypoint, i.config.Config.Entrypoint)
	for label, want := range map[string]string{"title": title, "version": version, "revision": "0123456789abcdef", "created": created, "licenses": "Apache-2.0"} {
		assert.Equal(t, want, i.config.Config.Labels["org.opencontainers.image."+label], label)
	}
	var provenance, sbom json.RawMessage
	for kind, predicate := range i.predicates {
		switch {
		case strings.HasPrefix(kind, "https://slsa.dev/provenance/"):
			provenance = predicate
		case kind == "https://spdx.dev/Document":
			sbom = predicate
		}
	}
	// It says by what it was built, out of what, and with which arguments.
	for _, said := range []string{"dockerfile.v0", "build-arg:VERSION", version, "buildkit"} {
		assert.Contains(t, string(provenance), said, "the provenance")
	}
	var document struct {
		Version  string `json:"spdxVersion"`
		Packages []struct{ Name string }
	}
	require.NoError(t, json.Unmarshal(sbom, &document))
	assert.Regexp(t, "^SPDX-2", document.Version)
	var names []string
	for _, p := range document.Packages {
		names = append(names, p.Name)
	}
	for _, module := range map[string][]string{
		"Dockit":            {"github.com/dockit-registry/dockit", "github.com/caddyserver/caddy/v2", "modernc.org/sqlite"},
		"dockit-kubernetes": {"github.com/dockit-registry/dockit/kubernetes", "k8s.io/client-go"},
	}[title] {
		assert.Contains(t, names, module, "the SBOM")
	}
}
