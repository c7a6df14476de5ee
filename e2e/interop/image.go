package main

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// platforms are those that an index has images for.
var platforms = []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}

// latest is the tag of everything.
const latest = "latest"

// newImage is an image that no registry has seen, in OCI's form, with two layers, of which the first has that many bytes.
func newImage(size int64, platform v1.Platform) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = platform.OS, platform.Architecture
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	for _, bytes := range []int64{size, 64} {
		layer, err := random.Layer(bytes, types.OCILayer)
		if err != nil {
			return nil, err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return nil, err
		}
	}
	return image, nil
}

// newArchive writes a new image into a folder as docker save does, and returns the file.
func newArchive(folder, ref string, size int64, platform v1.Platform) (string, error) {
	image, err := newImage(size, platform)
	if err != nil {
		return "", err
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return "", err
	}
	file, err := emptyFile(folder, "image-*.tar")
	if err != nil {
		return "", err
	}
	return file, tarball.WriteToFile(file, tag, image)
}

// newLayout writes a new image into a folder in OCI's layout under the tag latest, and returns where.
func newLayout(folder, ref string, size int64) (string, error) {
	image, err := newImage(size, platforms[0])
	if err != nil {
		return "", err
	}
	path, err := emptyLayout(folder)
	if err != nil {
		return "", err
	}
	return string(path), path.AppendImage(image, layout.WithAnnotations(names(ref)))
}

// newIndex writes an index with a new image for each platform into a folder, as newLayout does.
func newIndex(folder, ref string) (string, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, platform := range platforms {
		image, err := newImage(512, platform)
		if err != nil {
			return "", err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
	}
	path, err := emptyLayout(folder)
	if err != nil {
		return "", err
	}
	return string(path), path.AppendIndex(index, layout.WithAnnotations(names(ref)))
}

// names are the annotations by which programs find an image in a layout.
func names(ref string) map[string]string {
	return map[string]string{"org.opencontainers.image.ref.name": latest, "io.containerd.image.name": ref}
}

func emptyLayout(folder string) (layout.Path, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(folder, "layout-")
	if err != nil {
		return "", err
	}
	return layout.Write(dir, empty.Index)
}

func emptyFile(folder, pattern string) (string, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	file, err := os.CreateTemp(folder, pattern)
	if err != nil {
		return "", err
	}
	return file.Name(), file.Close()
}

// pack writes a folder into an archive beside it.
func pack(folder string) (path string, err error) {
	path = folder + ".tar"
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	archive := tar.NewWriter(file)
	return path, errors.Join(archive.AddFS(os.DirFS(folder)), archive.Close())
}

// artifactFile is a file with something that was never pushed.
func artifactFile(folder, content string) (string, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	file := filepath.Join(folder, "artifact.txt")
	return file, os.WriteFile(file, []byte(content), 0o600)
}
