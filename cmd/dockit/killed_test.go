package main

import (
	"bufio"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/client"
)

// killed is a server that ends by SIGKILL.
type killed struct {
	cmd  *exec.Cmd
	base string
	// dying is set before the kill: requests may fail from then on.
	dying atomic.Bool
}

// startKilled runs `dockit api-server` in a folder and waits until it serves.
func startKilled(t *testing.T, dir string, flags ...string) *killed {
	t.Helper()
	p := &killed{cmd: exec.Command("dockit", slices.Concat([]string{"api-server", "--listen", "127.0.0.1:0"}, flags)...)}
	p.cmd.Dir = dir
	p.cmd.Env = append(p.cmd.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(p.kill)
	var log strings.Builder
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		log.WriteString(lines.Text() + "\n")
		if match := servingLine.FindStringSubmatch(lines.Text()); match != nil {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			p.base = match[1]
			return p
		}
	}
	t.Fatalf("the server did not start\n%s", log.String())
	return nil
}

// kill kills the server, and returns when it has ended.
func (p *killed) kill() {
	if !p.dying.CompareAndSwap(false, true) {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended by itself, which the requests show
	_ = p.cmd.Wait()         // with an error, for it was killed
}

func (p *killed) wasKilled() bool { return p.dying.Load() }

// client is one for the admin API, as the user admin.
func (p *killed) client(t *testing.T, password string) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{BaseURL: p.base, Username: "admin", Password: password})
	require.NoError(t, err)
	return c
}
