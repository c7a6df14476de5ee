package e2e

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// binFolder holds what one test run builds.
var binFolder string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	binFolder, err = os.MkdirTemp("", "dockit-e2e-")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(binFolder); err != nil {
			log.Print(err)
		}
	}()
	return m.Run()
}

var (
	buildDockit = sync.OnceValues(func() (string, error) {
		return build.Dockit(context.Background(), binFolder)
	})
	buildCrane = sync.OnceValues(func() (string, error) {
		return build.Tool(context.Background(), binFolder, build.Crane)
	})
	buildHelm = sync.OnceValues(func() (string, error) {
		return build.Client(context.Background(), binFolder, build.Helm)
	})
	buildOras = sync.OnceValues(func() (string, error) {
		return build.Client(context.Background(), binFolder, build.Oras)
	})
	buildXCaddy = sync.OnceValues(func() (string, error) {
		return build.Tool(context.Background(), binFolder, build.XCaddy)
	})
	buildV3 = sync.OnceValues(func() (string, error) {
		return registry.V3.Binary(context.Background(), binFolder)
	})
)

// built returns the path that a build function made, or ends the test.
func built(t *testing.T, program func() (string, error)) string {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	return path
}

// registryBinary returns the program of a kind of registry. One that is not installed is a failure in CI and
// skips the test elsewhere.
func registryBinary(t *testing.T, kind registry.Kind) string {
	t.Helper()
	if kind == registry.V3 {
		return built(t, buildV3)
	}
	path, err := kind.Binary(t.Context(), binFolder)
	if errors.Is(err, registry.ErrNotInstalled) {
		cannot.Run(t, err)
	}
	require.NoError(t, err)
	return path
}

// debianProgram returns a client that scripts/get-clients got. One that is missing is a failure in CI and skips the
// test elsewhere.
func debianProgram(t *testing.T, program string) string {
	t.Helper()
	root, err := build.Root()
	require.NoError(t, err)
	path := filepath.Join(root, "bin", "clients", program)
	if _, err := os.Stat(path); err != nil {
		cannot.Run(t, fmt.Errorf("%s: %w: run scripts/get-clients bin/clients", program, err))
	}
	return path
}
