package e2e

import (
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
)

var (
	stageName   = regexp.MustCompile(`(?m)^FROM .+ AS (\S+)$`)
	imageName   = regexp.MustCompile(`(?m)^(?:FROM (?:--platform=\S+ )?| *(?:- )?image: )(\S+)`)
	pinnedImage = regexp.MustCompile(`^[a-z0-9./-]+:v?[0-9]+\.[0-9]+\.[0-9]+@sha256:[0-9a-f]{64}$`)
)

// TestImagesArePinned reads every image that is not built here: each has a digest, in a form that pin-images renews.
func TestImagesArePinned(t *testing.T) {
	t.Parallel()
	root, err := build.Root()
	require.NoError(t, err)
	files := []string{filepath.Join(root, "Dockerfile")}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "examples"), func(path string, _ fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); ext == ".yaml" || ext == ".yml" {
			files = append(files, path)
		}
		return err
	}))
	found := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		ours := []string{"scratch", "dockit", "dockit-kubernetes"}
		for _, match := range stageName.FindAllStringSubmatch(string(content), -1) {
			ours = append(ours, match[1])
		}
		for _, match := range imageName.FindAllStringSubmatch(string(content), -1) {
			// A chart names those that its values name.
			if image := match[1]; !slices.Contains(ours, image) && !strings.Contains(image, "{") {
				require.Regexp(t, pinnedImage, image, file)
				found++
			}
		}
	}
	require.Greater(t, found, 3)
}

// TestPinImages renews pinned images from a registry: within the same minor version, in every file, and not at all
// when one cannot be asked for.
func TestPinImages(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	image := strings.TrimPrefix(server.URL, "http://") + "/library/base"
	var newest, newestV string
	for _, tag := range []string{"1.9.9", "1.10.2", "1.10.10", "1.11.0", "1.10.10-alpine", "latest", "v1.10.2", "v1.10.3", "v1.11.0"} {
		ref, err := name.NewTag(image + ":" + tag)
		require.NoError(t, err)
		content := newImage(t)
		require.NoError(t, remote.Write(ref, content))
		digest, err := content.Digest()
		require.NoError(t, err)
		switch tag {
		case "1.10.10":
			newest = image + ":" + tag + "@" + digest.String()
		case "v1.10.3":
			newestV = image + ":" + tag + "@" + digest.String()
		}
	}
	root, err := build.Root()
	require.NoError(t, err)
	pin := func(folder string) error {
		cmd := exec.CommandContext(t.Context(), filepath.Join(root, "scripts", "pin-images"), folder)
		cmd.Env = append(os.Environ(), "CRANE="+built(t, buildCrane))
		output, err := cmd.CombinedOutput()
		t.Logf("%s", output)
		return err
	}
	old := image + ":1.10.2@sha256:" + strings.Repeat("0", 64)
	write := func(more string) (folder string, files []string) {
		folder = t.TempDir()
		files = []string{filepath.Join(folder, "Dockerfile"), filepath.Join(folder, "examples", "deep", "compose.yaml")}
		require.NoError(t, os.MkdirAll(filepath.Dir(files[1]), 0o700))
		for _, file := range files {
			require.NoError(t, os.WriteFile(file, []byte("FROM "+old+" AS build\n"+more+"  image: "+old+"\n"), 0o600))
		}
		return folder, files
	}

	folder, files := write("FROM scratch\nFROM " + image + ":v1.10.2@sha256:" + strings.Repeat("2", 64) + "\n")
	require.NoError(t, pin(folder))
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, "FROM "+newest+" AS build\nFROM scratch\nFROM "+newestV+"\n  image: "+newest+"\n", string(content))
	}

	folder, files = write("FROM " + image + "/missing:1.0.0@sha256:" + strings.Repeat("1", 64) + "\n")
	require.Error(t, pin(folder))
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(content), old)
		require.NotContains(t, string(content), newest)
	}
}
