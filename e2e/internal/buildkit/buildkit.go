// Package buildkit runs a BuildKit of its own, for tests that build or copy images by it.
package buildkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/process"
)

// Config is how a daemon is started.
type Config struct {
	// Path is the program buildkitd. It finds runc beside it.
	Path string
	// Folder is where it keeps everything, of a short path: a socket is in it. It is removed in the end.
	Folder string
	// Registries are those that it speaks to, each with the file of its authority, or nothing for plain HTTP.
	Registries map[string]string
	// Snapshotter is native by default, which works everywhere and copies each layer.
	Snapshotter string
}

// Daemon is a running BuildKit. It builds in the network of the machine.
type Daemon struct {
	*process.Process

	folder string
}

// Address is where buildctl finds it.
func (d *Daemon) Address() string { return "unix://" + filepath.Join(d.folder, "sock") }

// Start starts a daemon and waits until it listens.
func Start(ctx context.Context, c Config) (*Daemon, error) {
	d, err := start(ctx, c)
	if err != nil {
		if d != nil {
			err = errors.Join(err, d.Stop())
		}
		return nil, errors.Join(err, os.RemoveAll(c.Folder))
	}
	return d, nil
}

// start also returns a daemon that was started and does not listen.
func start(ctx context.Context, c Config) (*Daemon, error) {
	in := func(name string) string { return filepath.Join(c.Folder, name) }
	var config strings.Builder
	for host, authority := range c.Registries {
		if authority != "" { // it would speak plain HTTP to localhost
			fmt.Fprintf(&config, "[registry.%q]\nhttp = false\nca = [%q]\n", host, authority)
		} else {
			fmt.Fprintf(&config, "[registry.%q]\nhttp = true\n", host)
		}
	}
	if err := os.WriteFile(in("buildkitd.toml"), []byte(config.String()), 0o600); err != nil {
		return nil, err
	}
	snapshotter := c.Snapshotter
	if snapshotter == "" {
		snapshotter = "native"
	}
	p, err := process.Start(process.Command{
		Name: "buildkitd", Path: c.Path, Dir: c.Folder,
		Env: append(dockit.Environment(c.Folder), "PATH="+filepath.Dir(c.Path)+string(os.PathListSeparator)+os.Getenv("PATH")),
		Args: []string{
			"--root", in("root"), "--addr", "unix://" + in("sock"), "--config", in("buildkitd.toml"),
			"--oci-worker-snapshotter", snapshotter, "--oci-worker-net", "host", "--containerd-worker=false",
		},
	})
	if err != nil {
		return nil, err
	}
	d := &Daemon{Process: p, folder: c.Folder}
	for began := time.Now(); ; {
		if _, err := os.Stat(in("sock")); err == nil {
			return d, nil
		}
		select {
		case <-d.Done():
			return d, fmt.Errorf("it ended: %s", d.Output())
		case <-ctx.Done():
			return d, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if time.Since(began) > time.Minute {
			return d, fmt.Errorf("it does not listen: %s", d.Output())
		}
	}
}

// Stop ends the daemon and removes what it kept. It returns an error if it had to be killed: one that is told to end calls
// that an error itself.
func (d *Daemon) Stop() error {
	var killed error
	if err := d.Process.Stop(); errors.Is(err, process.ErrKilled) {
		killed = err
	}
	return errors.Join(killed, os.RemoveAll(d.folder))
}
