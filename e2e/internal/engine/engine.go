// Package engine runs docker engines.
package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// ErrSilent is returned for an engine that runs and does not answer.
var ErrSilent = errors.New("the engine runs and does not answer")

// Engine is a docker engine that needs neither networks nor containers.
type Engine struct {
	*process.Process

	socket, docker, dir string
	env                 []string
}

// Start runs an engine by the programs dockerd and docker. A machine that allows none, as a container without privileges, ends
// it, or lets it unpack no image: then the error says why. What is given as NAME=value is added to its environment.
func Start(ctx context.Context, dockerd, docker string, env ...string) (*Engine, error) {
	// Unix sockets have short paths, those of tests are long.
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		return nil, err
	}
	e := &Engine{socket: "unix://" + filepath.Join(dir, "sock"), docker: docker, dir: dir, env: env}
	if err := e.start(ctx, dockerd); err != nil {
		if e.Process != nil {
			e.Kill() // what it started may still run
		}
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return e, nil
}

func (e *Engine) start(ctx context.Context, dockerd string) error {
	in := func(name string) string { return filepath.Join(e.dir, name) }
	if err := os.WriteFile(in("daemon.json"), []byte("{}"), 0o600); err != nil {
		return err
	}
	env := append(dockit.Environment(e.dir), e.env...)
	env[0] = "PATH=" + filepath.Dir(dockerd) + ":" + os.Getenv("PATH")
	var err error
	e.Process, err = process.Start(process.Command{
		Name: "dockerd", Path: dockerd, Env: env, Dir: e.dir,
		Args: []string{
			"--data-root", in("data"), "--exec-root", in("exec"), "--pidfile", in("pid"), "-H", e.socket,
			"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver", "vfs",
			"--default-ulimit", "nofile=1024:1024", "--config-file", in("daemon.json"),
		},
	})
	if err != nil {
		return err
	}
	for began := time.Now(); e.Docker(ctx, e.dir, "", "info") != nil; {
		select {
		case <-e.Done():
			return fmt.Errorf("it ended: %s", lastWords(e.Output()))
		case <-time.After(100 * time.Millisecond):
		}
		if time.Since(began) > time.Minute {
			return ErrSilent
		}
	}
	// It starts in some places where no layer can be unpacked.
	probe, err := Filesystem("probe")
	if err != nil {
		return err
	}
	if err := e.Docker(ctx, e.dir, string(probe), "import", "-", "localhost/probe:latest"); err != nil {
		return fmt.Errorf("it unpacks no image: %w", err)
	}
	return nil
}

// Host is where the engine listens, as docker's -H takes it.
func (e *Engine) Host() string { return e.socket }

// Containerd is the socket of the containerd that the engine runs.
func (e *Engine) Containerd() string {
	return filepath.Join(e.dir, "exec", "containerd", "containerd.sock")
}

// Docker runs the docker command with a home folder of its own.
func (e *Engine) Docker(ctx context.Context, home, stdin string, args ...string) error {
	return dockit.RunProgram(ctx, home, stdin, e.docker, append([]string{"-H", e.socket}, args...)...)
}

// Stop ends the engine and removes what it kept.
func (e *Engine) Stop() error {
	err := e.Process.Stop()
	// What a container of the host's network leaves mounted, if there was one.
	_ = exec.Command("umount", "--lazy", filepath.Join(e.dir, "exec", "netns", "default")).Run() //nolint:gosec,noctx // the folder is the own one, and what it was for is over
	return errors.Join(err, os.RemoveAll(e.dir))
}

// lastWords are what a program ended for: its last line, or what comes before the stack of a panic.
func lastWords(output string) string {
	output, _, _ = strings.Cut(output, "\n\ngoroutine ")
	output = strings.TrimSpace(output)
	return output[strings.LastIndexByte(output, '\n')+1:]
}

// Filesystem is the archive of an image with one file.
func Filesystem(content string) ([]byte, error) {
	var archive bytes.Buffer
	files := tar.NewWriter(&archive)
	err := files.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = files.Write([]byte(content))
	}
	err = errors.Join(err, files.Close())
	return archive.Bytes(), err
}
