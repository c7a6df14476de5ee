// Package referencetest keeps docs/reference as the code has it.
package referencetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// write is the variable by which `make docs` has the pages written.
const write = "DOCKIT_TEST_WRITE_REFERENCE"

// Check compares a page of docs/reference, below the root of the repository, with
// what the code says, or writes it.
func Check(t testing.TB, root, page, title, content string) {
	t.Helper()
	path := filepath.Join(root, "docs", "reference", page)
	content = "<!-- Written from the code by `make docs`. -->\n\n# " + title + "\n\n" + strings.TrimSpace(content) + "\n"
	if os.Getenv(write) != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))     //nolint:gosec // as the rest of the documentation
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644)) //nolint:gosec // as the rest of the documentation
		return
	}
	there, err := os.ReadFile(path)
	require.NoError(t, err, "run `make docs`")
	assert.Equal(t, content, string(there), "%s is stale: run `make docs`", path)
}

// Cell makes a text one that can stand in a cell of a table.
func Cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(strings.Join(strings.Fields(text), " "))
}

// Code makes a text code within a line; nothing of nothing.
func Code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

// Row is a row of a table.
func Row(cells ...string) string {
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// Head is the head of a table.
func Head(names ...string) string {
	return Row(names...) + "|" + strings.Repeat("---|", len(names)) + "\n"
}
