package registry

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/dockit-registry/dockit/e2e/internal/build"
)

// Kind is a generation of registries; they check tokens by different rules.
type Kind string

const (
	// V3 is distribution 3.x, built from its Go module without the drivers of clouds.
	V3 Kind = "distribution-3"

	// V2 is distribution 2.8, as Debian packages it.
	V2 Kind = "distribution-2.8"
)

// Kinds are all of them.
var Kinds = []Kind{V3, V2}

// ErrNotInstalled is returned where a registry cannot be built and is not installed.
var ErrNotInstalled = errors.New("docker-registry is not installed: run `make test-requirements`, which gets it from Debian's packages")

// Binary is the path of the kind's program. V3 is built into folder.
func (k Kind) Binary(ctx context.Context, folder string) (string, error) {
	switch k {
	case V3:
		return build.Tool(ctx, folder, build.Registry)
	case V2:
		return installed("docker-registry")
	default:
		return "", fmt.Errorf("unknown kind of registry %q", string(k))
	}
}

// installed finds a program in the PATH or in the checkout's bin folder, where make puts what it gets.
func installed(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	root, err := build.Root()
	if err != nil {
		return "", err
	}
	path, err := exec.LookPath(filepath.Join(root, "bin", name))
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrNotInstalled, err)
	}
	return path, nil
}
