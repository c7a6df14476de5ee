package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/dockit-registry/dockit/e2e/internal/build"
)

// still is how often a long build says that it goes on.
const still = 10 * time.Second

// build makes the programs and an image to push.
func (d *demo) build(ctx context.Context) error {
	bin := filepath.Join(d.shell.folder, "bin")
	d.shell.say("Building, which takes a few minutes the first time:")
	for _, program := range []struct {
		what  string
		build func() (string, error)
	}{
		{"dockit", func() (string, error) { return build.Dockit(ctx, bin) }},
		{"registry, the CNCF distribution 3.x without its drivers of clouds", func() (string, error) { return build.Tool(ctx, bin, build.Registry) }},
		{"crane, a registry client", func() (string, error) { return build.Tool(ctx, bin, build.Crane) }},
	} {
		if err := d.progress(program.what, program.build); err != nil {
			return err
		}
	}
	if err := writeImage(filepath.Join(d.shell.folder, imageFile)); err != nil {
		return fmt.Errorf("make an image: %w", err)
	}
	d.shell.say("Everything below is typed in %s, with its bin folder first in the PATH,\nHOME=%[1]s and DOCKER_CONFIG=%[1]s/docker.", d.shell.folder)
	return nil
}

// progress prints what is built, dots while it is, and how long it took.
func (d *demo) progress(what string, build func() (string, error)) error {
	fmt.Fprintf(d.shell.out, "  %s ", what)
	start := time.Now()
	done := make(chan error, 1)
	go func() {
		_, err := build()
		done <- err
	}()
	ticker := time.NewTicker(still)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			fmt.Fprint(d.shell.out, ".")
		case err := <-done:
			fmt.Fprintf(d.shell.out, " %s\n", time.Since(start).Round(time.Second/10))
			return err
		}
	}
}

// writeImage writes the smallest image that an engine would take: one layer with one file.
func writeImage(path string) error {
	image, err := crane.Image(map[string][]byte{"hello.txt": []byte("Hello from Dockit's demo.\n")})
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{Cmd: []string{"/hello.txt"}}
	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		return err
	}
	tag, err := name.NewTag("demo:1")
	if err != nil {
		return err
	}
	return tarball.WriteToFile(path, tag, image)
}
