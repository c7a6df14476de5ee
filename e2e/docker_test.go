package e2e

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// engine is a docker engine of a test.
type engine struct {
	socket string
}

// startEngine runs a docker engine that needs neither networks nor containers until the test ends.
func startEngine(t *testing.T) *engine {
	t.Helper()
	dockerd := debianProgram(t, "dockerd")
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("a docker engine runs as root")
		}
		t.Skip("a docker engine runs as root")
	}
	// Unix sockets have short paths, those of tests are long.
	dir, err := os.MkdirTemp("", "engine")
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	in := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(in("daemon.json"), []byte("{}"), 0o600))
	env := dockit.Environment(dir)
	env[0] = "PATH=" + filepath.Dir(dockerd) + ":" + os.Getenv("PATH")
	p, err := process.Start(process.Command{
		Name: "dockerd", Path: dockerd, Env: env, Dir: dir,
		Args: []string{
			"--data-root", in("data"), "--exec-root", in("exec"), "--pidfile", in("pid"), "-H", "unix://" + in("sock"),
			"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver", "vfs",
			"--default-ulimit", "nofile=1024:1024", "--config-file", in("daemon.json"),
		},
	})
	require.NoError(t, err)
	stopAtEnd(t, p)
	e := &engine{socket: "unix://" + in("sock")}
	docker := debianProgram(t, "docker")
	require.Eventually(t, func() bool {
		return runProgram(t.Context(), dir, "", docker, "-H", e.socket, "info") == nil
	}, time.Minute, 100*time.Millisecond, "the engine does not answer")
	return e
}

// docker returns the docker command with a home folder of its own.
func (e *engine) docker(t *testing.T) *program {
	home, path := t.TempDir(), debianProgram(t, "docker")
	run := func(stdin string, args ...string) error {
		return runProgram(t.Context(), home, stdin, path, append([]string{"-H", e.socket}, args...)...)
	}
	return &program{
		config: filepath.Join(home, "docker", "config.json"),
		login: func(host, username, password string) error {
			return run(password, "login", host, "--username", username, "--password-stdin")
		},
		push: func(ref string) error {
			if err := run(string(filesystem(t)), "import", "-", ref); err != nil {
				return err
			}
			return run("", "push", ref)
		},
		pull: func(ref string) error {
			// What is there already is not pulled.
			_ = run("", "rmi", "--force", ref)
			return run("", "pull", ref)
		},
	}
}

// filesystem is the archive of an image with one file.
func filesystem(t *testing.T) []byte {
	t.Helper()
	var archive bytes.Buffer
	files := tar.NewWriter(&archive)
	content := strings.Repeat(t.Name(), 10)
	require.NoError(t, files.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: int64(len(content))}))
	_, err := files.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, files.Close())
	return archive.Bytes()
}
