package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
)

// TestSharesWithDockit guards the time that the first demo takes: what Dockit and the other programs are both built from is compiled
// once when both modules have it in one version, as `go -C e2e get MODULE@VERSION` makes it.
func TestSharesWithDockit(t *testing.T) {
	root, err := build.Root()
	require.NoError(t, err)
	dockit := versions(t, root, "-tags", build.Tags, "./cmd/dockit")
	for pkg, version := range versions(t, filepath.Join(root, "e2e"), "./demo", build.Registry, build.Crane) {
		if same, found := dockit[pkg]; found {
			assert.Equal(t, same, version, pkg)
		}
	}
}

// versions are the modules, with their versions, of the packages of others that a program is built from.
func versions(t *testing.T, folder string, args ...string) map[string]string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps", "-f", "{{with .Module}}{{$.ImportPath}} {{.Path}}@{{.Version}}{{end}}"}, args...)...)
	command.Dir, command.Env = folder, append(command.Environ(), "CGO_ENABLED=0")
	out, err := command.Output()
	require.NoError(t, err)
	found := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if pkg, module, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			found[pkg] = module
		}
	}
	require.NotEmpty(t, found)
	return found
}
