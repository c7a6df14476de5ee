package main

import (
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOnlyCloudsAreMissing compares what this imports with what distribution's own command does, in the version of go.mod.
func TestOnlyCloudsAreMissing(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-find", "-f", "{{.Dir}}", "github.com/distribution/distribution/v3/cmd/registry").CombinedOutput()
	require.NoError(t, err, "%s", out)
	const drivers = "github.com/distribution/distribution/v3/registry/storage/driver/"
	missing := []string{"azure", "gcs", "middleware/cloudfront", "s3-aws"}
	for i, driver := range missing {
		missing[i] = drivers + driver
	}
	assert.ElementsMatch(t, imports(t, strings.TrimSpace(string(out))), append(imports(t, "."), missing...))
}

// imports are those of a command's main.go, but for os, which only the exit code of this one needs.
func imports(t *testing.T, folder string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, "main.go"), nil, parser.ImportsOnly)
	require.NoError(t, err)
	var all []string
	for _, one := range file.Imports {
		path, err := strconv.Unquote(one.Path.Value)
		require.NoError(t, err)
		if path != "os" {
			all = append(all, path)
		}
	}
	return all
}
