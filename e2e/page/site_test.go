package page

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

const (
	password = "correct-horse-battery"
	// program is a binary to test in the place of one that is built.
	program = "DOCKIT_TEST_PROGRAM"
)

var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(program); path != "" {
		return path, nil
	}
	folder, err := os.MkdirTemp("", "dockit-page-")
	if err != nil {
		return "", err
	}
	built = folder
	return build.Dockit(mainContext, folder)
})

// site is a Dockit with the users root, who is an admin, and alice.
type site struct {
	*dockit.Server
	// url is that by which a browser reaches it.
	url string
}

func newSite(t *testing.T, config dockit.Config) site {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	config.Binary, config.Dir, config.RootUser, config.RootPassword = path, t.TempDir(), "root", password
	config.Args = append([]string{"--service", "registry.example.com", "--refresh-tokens"}, config.Args...)
	server, err := dockit.Start(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	s := site{server, server.URL}
	s.run(t, password, "rbac", "add", "user:alice", "--password-stdin")
	s.run(t, "", "rbac", "grant", "user:alice", "repository:team/**:push")
	return s
}

// run runs a command of the admin.
func (s site) run(t *testing.T, input string, arguments ...string) string {
	t.Helper()
	output, err := s.Admin().RunInput(t.Context(), input, arguments...)
	require.NoError(t, err)
	return output
}

// axe is the source of axe-core, which scripts/get-browser gets.
var axe = sync.OnceValues(func() (string, error) {
	root, err := build.Root()
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(root, "bin", "axe-*.min.js"))
	if err != nil || len(found) == 0 {
		return "", os.ErrNotExist
	}
	source, err := os.ReadFile(found[len(found)-1])
	return strings.TrimSpace(string(source)), err
})
