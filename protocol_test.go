package dockit_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var namedTest = regexp.MustCompile("`([a-z0-9/]+)\\.(Test[A-Za-z0-9]+)`")

// TestProtocolIsHeldByTests reads docs/protocol.md: each of its statements names tests, and there are those.
func TestProtocolIsHeldByTests(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("docs", "protocol.md"))
	require.NoError(t, err)
	statements := 0
	for line := range strings.Lines(string(content)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) < 2 || strings.TrimSpace(cells[len(cells)-1]) == "held by" {
			continue
		}
		statements++
		tests := namedTest.FindAllStringSubmatch(cells[len(cells)-1], -1)
		assert.NotEmpty(t, tests, "nothing holds this: %s", line)
		for _, test := range tests {
			assert.True(t, hasTest(t, test[1], test[2]), "%s.%s is no test", test[1], test[2])
		}
	}
	assert.Greater(t, statements, 40)
	assert.False(t, hasTest(t, "handlers", "TestCase"), "a part of a name is no name")
}

// hasTest reports whether a folder has a test function of that name.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(folder), "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.Contains(string(content), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
