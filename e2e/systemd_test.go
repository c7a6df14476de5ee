package e2e

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// TestSystemdUnitIsHardened has systemd itself judge how much the service of the example may do: at most 2.0 of 10.
func TestSystemdUnitIsHardened(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		cannot.Run(t, err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", "--no-pager", example(t, "systemd", "dockit.service")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `Overall exposure level for dockit\.service: [01]\.\d`, string(out))
}

// TestSystemdUnit starts Dockit by hand as systemd would: with the command, the environment, a socket that is handed over, a
// credential, and somebody to tell when it is ready.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(example(t, "systemd", "dockit.service"))
	require.NoError(t, err)
	unit := string(content)
	command := strings.Fields(regexp.MustCompile(`(?m)^ExecStart=(.+)$`).FindStringSubmatch(unit)[1])
	require.Equal(t, "/usr/bin/dockit", command[0])
	dir := t.TempDir()
	key := regexp.MustCompile(`(?m)^LoadCredential=([\w-]+):/etc/dockit/`).FindStringSubmatch(unit)[1]
	require.NoError(t, os.WriteFile(filepath.Join(dir, key), []byte(strings.Repeat("k", 64)), 0o600))

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "localhost:0")
	require.NoError(t, err)
	socket, err := listener.(*net.TCPListener).File()
	require.NoError(t, err)
	defer func() { assert.NoError(t, socket.Close()) }()
	// Paths of Unix sockets are short, those of tests are long.
	short, err := os.MkdirTemp("", "notify")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(short)) })
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(short, "s"), Net: "unixgram"})
	require.NoError(t, err)
	defer func() { assert.NoError(t, notify.Close()) }()

	env := append(dockit.Environment(dir), "NOTIFY_SOCKET="+notify.LocalAddr().String(), "LISTEN_FDS=1")
	for _, match := range regexp.MustCompile(`(?m)^Environment=(DOCKIT_.+)$`).FindAllStringSubmatch(unit, -1) {
		env = append(env, strings.NewReplacer("/var/lib/dockit/", dir+"/", "%d", dir).Replace(match[1]))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var output bytes.Buffer
	server := exec.CommandContext(ctx, built(t, buildDockit), command[1:]...)
	server.Env, server.Dir, server.ExtraFiles, server.Stdout, server.Stderr = env, dir, []*os.File{socket}, &output, &output
	server.Cancel = func() error { return server.Process.Signal(os.Interrupt) }
	server.WaitDelay = time.Minute
	require.NoError(t, server.Start())
	defer func() {
		cancel()
		_ = server.Wait() // it was interrupted
		assert.NotContains(t, output.String(), "unencrypted", "the encryption key is not in use")
	}()
	require.NoError(t, notify.SetReadDeadline(time.Now().Add(time.Minute)))
	for told := ""; !strings.Contains(told, "READY=1"); {
		message := make([]byte, 4096)
		n, err := notify.Read(message)
		require.NoError(t, err, "it never said that it is ready: %s", &output)
		told = string(message[:n])
	}
	require.NoError(t, listener.Close()) // as if systemd had never let go of it: Dockit has its own
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+"/readyz", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// TestAnsibleRole has Ansible install Dockit below a folder, twice: the second time nothing changes.
func TestAnsibleRole(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("ansible-playbook")
	if err != nil {
		cannot.Run(t, err)
	}
	root, home := t.TempDir(), t.TempDir()
	play := func() string {
		command := exec.CommandContext(t.Context(), program, "-i", "localhost,", "-c", "local", example(t, "ansible", "site.yml"),
			"-e", "dockit_root="+root, "-e", "dockit_binary="+built(t, buildDockit), "-e", "ansible_become=false")
		command.Env = append(dockit.Environment(home), "LC_ALL=C.UTF-8", "ANSIBLE_LOCAL_TEMP="+home, "ANSIBLE_NOCOLOR=1")
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.Regexp(t, `changed=[1-9]`, play())
	key, err := os.ReadFile(filepath.Join(root, "etc", "dockit", "encryption-key"))
	require.NoError(t, err)
	require.Greater(t, len(key), 32)
	require.Regexp(t, `changed=0 `, play())
	again, err := os.ReadFile(filepath.Join(root, "etc", "dockit", "encryption-key"))
	require.NoError(t, err)
	require.Equal(t, key, again, "the encryption key was replaced")
	settings, err := os.ReadFile(filepath.Join(root, "etc", "dockit", "dockit.env"))
	require.NoError(t, err)
	require.Contains(t, string(settings), "DOCKIT_SERVICE=registry.example.com\n")
	require.Contains(t, string(settings), "DOCKIT_REGISTRY=registry.example.com=http://localhost:5000\n")
	require.FileExists(t, filepath.Join(root, "etc", "systemd", "system", "dockit.socket"))
	require.NoError(t, exec.CommandContext(t.Context(), filepath.Join(root, "usr", "bin", "dockit"), "version").Run())
}
