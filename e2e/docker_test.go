package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
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

// startEngine runs a docker engine that needs neither networks nor containers until the test ends. A machine that allows
// none, as a container without privileges, cannot run the test.
func startEngine(t *testing.T) *engine {
	t.Helper()
	dockerd, docker := debianProgram(t, "dockerd"), debianProgram(t, "docker")
	if os.Geteuid() != 0 {
		cannotRun(t, errors.New("a docker engine runs as root"))
	}
	e, err := runEngine(t, dockerd, docker)
	if err != nil {
		cannotRun(t, fmt.Errorf("no docker engine runs here: %w", err))
	}
	return e
}

// runEngine returns an error when the engine ends, or cannot unpack an image.
func runEngine(t *testing.T, dockerd, docker string) (*engine, error) {
	t.Helper()
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
	e := &engine{socket: "unix://" + in("sock")}
	for began := time.Now(); runProgram(t.Context(), dir, "", docker, "-H", e.socket, "info") != nil; {
		select {
		case <-p.Done():
			p.Kill() // what it started may still run
			return nil, fmt.Errorf("it ended: %s", lastWords(p.Output()))
		case <-time.After(100 * time.Millisecond):
		}
		if time.Since(began) > time.Minute {
			stopAtEnd(t, p)
			t.Fatal("the engine runs and does not answer")
		}
	}
	stopAtEnd(t, p)
	// It starts in some places where no layer can be unpacked.
	if err := runProgram(t.Context(), dir, string(filesystem(t)), docker, "-H", e.socket, "import", "-", "localhost/probe:latest"); err != nil {
		return nil, fmt.Errorf("it unpacks no image: %w", err)
	}
	return e, nil
}

// lastWords are what a program ended for: its last line, or what comes before the stack of a panic.
func lastWords(output string) string {
	output, _, _ = strings.Cut(output, "\n\ngoroutine ")
	output = strings.TrimSpace(output)
	return output[strings.LastIndexByte(output, '\n')+1:]
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
