package page

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // what Dockit keeps is changed behind its back

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

// shell runs a command line as the admin, as somebody does who copied it, in a folder unless that is empty.
func (s site) shell(t *testing.T, line, input, folder string) string {
	t.Helper()
	output, err := s.tryShell(t, line, input, folder)
	require.NoError(t, err, line)
	return output
}

func (s site) tryShell(t *testing.T, line, input, folder string) (string, error) {
	t.Helper()
	admin := s.Admin()
	shell := exec.CommandContext(t.Context(), "sh", "-c", `dockit() { "$DOCKIT" "$@"; }; `+line)
	shell.Env, shell.Dir, shell.Stdin = append(admin.Env, "DOCKIT="+admin.Path), folder, strings.NewReader(input)
	var output, complaint bytes.Buffer
	shell.Stdout, shell.Stderr = &output, &complaint
	if err := shell.Run(); err != nil {
		return output.String(), fmt.Errorf("%s: %w: %s", line, err, complaint.String())
	}
	return output.String(), nil
}

// forgetPasswords has every session of the admin at the page be one whose password was given long ago.
func (s site) forgetPasswords(t *testing.T) {
	t.Helper()
	database, err := sql.Open("sqlite", filepath.Join(s.Config().Dir, "dockit.sqlite")+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	defer database.Close()
	result, err := database.ExecContext(t.Context(), "UPDATE refresh_tokens SET proved_at = created_at - 3600000000 WHERE kind = 'page'")
	require.NoError(t, err)
	changed, err := result.RowsAffected()
	require.NoError(t, err)
	require.Positive(t, changed)
	s.run(t, "", "rbac", "grant", "user:root", "repository:team/app:pull") // so that Dockit reads anew what it knows of the admin
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
