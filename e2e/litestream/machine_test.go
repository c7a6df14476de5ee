package litestream

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/cannot"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/process"
	"github.com/dockit-registry/dockit/e2e/internal/trust"
)

const (
	root    = "admin"
	service = "registry.test"
	api     = "/dockit/api/v1"
	// version is the one that scripts/get-litestream builds.
	version = "v0.5.18"
)

// machine has a Dockit and a Litestream, and a replica that is somewhere else.
type machine struct {
	*dockit.Server
	litestream *process.Process

	binary, program string
	// folder is lost with the machine, and beyond holds what is not: the replica and Litestream's configuration.
	folder, beyond string
	password, key  string
	// waits is set when changes wait for the replica.
	waits bool
	admin call.Caller
	trust *trust.Bundle
}

var dockitBinary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "dockit-litestream-")
	if err != nil {
		return "", err
	}
	built = folder
	return build.Dockit(mainContext, folder)
})

// newMachine starts both on an empty database.
func newMachine(t *testing.T, waits bool) *machine {
	t.Helper()
	binary, err := dockitBinary()
	require.NoError(t, err)
	// Paths of sockets are short.
	folder, err := os.MkdirTemp("", "dl")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	m := &machine{
		binary: binary, program: program(t), folder: filepath.Join(folder, "data"), beyond: filepath.Join(folder, "beyond"),
		password: rand.Text(), key: rand.Text() + rand.Text(), waits: waits,
	}
	require.NoError(t, os.MkdirAll(m.folder, 0o700))
	require.NoError(t, os.MkdirAll(m.beyond, 0o700))
	m.configure(t)
	t.Cleanup(func() {
		for _, p := range []*process.Process{m.litestream, m.Process} {
			if p == nil {
				continue
			}
			p.Kill()
			if t.Failed() {
				t.Logf("%s printed:\n%s", p, p.Excerpt())
			}
		}
	})
	m.start(t)
	m.trust = m.readTrust(t)
	return m
}

// program is Litestream. Without it the test is skipped, or fails in CI.
func program(t *testing.T) string {
	t.Helper()
	dir, err := build.Root()
	require.NoError(t, err)
	path := filepath.Join(dir, "bin", "litestream-"+version)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		cannot.Run(t, fmt.Errorf("%s is not there: run scripts/get-litestream bin", path))
	}
	return path
}

// configure takes the configuration of the example to other folders.
func (m *machine) configure(t *testing.T) {
	t.Helper()
	dir, err := build.Root()
	require.NoError(t, err)
	example, err := os.ReadFile(filepath.Join(dir, "examples", "litestream", "litestream.yml"))
	require.NoError(t, err)
	text := strings.NewReplacer("/data/", m.folder+"/", "/replica", filepath.Join(m.beyond, "replica")).Replace(string(example))
	require.NoError(t, os.WriteFile(m.configuration(), []byte(text), 0o600))
}

func (m *machine) configuration() string { return filepath.Join(m.beyond, "litestream.yml") }
func (m *machine) database() string      { return filepath.Join(m.folder, "dockit.sqlite") }
func (m *machine) socket() string        { return filepath.Join(m.folder, "litestream.sock") }

// start starts what the machine runs.
func (m *machine) start(t *testing.T) {
	t.Helper()
	m.startLitestream(t)
	m.startDockit(t)
}

func (m *machine) startLitestream(t *testing.T) {
	t.Helper()
	var err error
	m.litestream, err = process.Start(process.Command{
		Name: "litestream", Path: m.program, Args: []string{"replicate", "-config", m.configuration()}, Env: dockit.Environment(m.folder),
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		conn, err := net.Dial("unix", m.socket())
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, process.ReadyTimeout, 10*time.Millisecond, "Litestream listens")
}

func (m *machine) config() dockit.Config {
	c := dockit.Config{
		Binary: m.binary, Dir: m.folder, RootUser: root, RootPassword: m.password,
		Args: []string{"--service", service}, Env: []string{"DOCKIT_PKI_ENCRYPTION_KEY=" + m.key},
	}
	if m.waits {
		c.Args = append(c.Args, "--litestream-socket", m.socket())
	}
	return c
}

func (m *machine) startDockit(t *testing.T) {
	t.Helper()
	var err error
	m.Server, err = dockit.Start(t.Context(), m.config())
	require.NoError(t, err)
	m.admin = call.Caller{Base: m.URL, Username: root, Password: m.password}
}

// lose kills everything at once and takes the files away, as when a machine burns. It returns when that was.
func (m *machine) lose(t *testing.T) time.Time {
	t.Helper()
	var both sync.WaitGroup
	at := time.Now()
	for _, p := range []*process.Process{m.Process, m.litestream} {
		both.Go(p.Kill)
	}
	both.Wait()
	require.NoError(t, os.RemoveAll(m.folder))
	require.NoError(t, os.Mkdir(m.folder, 0o700))
	return at
}

// restore gets the database from the replica, as the example does.
func (m *machine) restore(t *testing.T) {
	t.Helper()
	restored := m.run(t, "restore", "-config", m.configuration(), "-integrity-check", "full", m.database())
	require.FileExists(t, m.database(), restored)
	require.NoError(t, os.Chmod(m.database(), 0o600)) // Litestream lets everybody read it
}

// replicated waits until Litestream says that everything acknowledged until now is in the replica. It tries once a second
// by itself, and what is in its way the first time, as somebody who writes a lot, is an error of the first time only.
func (m *machine) replicated(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		output, err := m.try(t, "sync", "-socket", m.socket(), "-wait", m.database())
		if err == nil {
			return
		}
		require.Falsef(t, time.Now().After(deadline), "%v: %s", err, output)
		time.Sleep(100 * time.Millisecond)
	}
}

func (m *machine) run(t *testing.T, args ...string) string {
	t.Helper()
	output, err := m.try(t, args...)
	require.NoError(t, err, output)
	return output
}

// try runs Litestream, which may fail.
func (m *machine) try(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	p, err := process.Start(process.Command{Name: "litestream " + args[0], Path: m.program, Args: args, Env: dockit.Environment(m.folder)})
	require.NoError(t, err)
	select {
	case <-p.Done():
	case <-time.After(time.Minute):
		p.Kill()
	}
	err = p.Stop()
	return p.Output(), err
}

func (m *machine) readTrust(t *testing.T) *trust.Bundle {
	t.Helper()
	a, err := call.Caller{Base: m.URL}.Send(t.Context(), http.MethodGet, "/v2/certs/pem", nil)
	require.NoError(t, err)
	bundle, err := trust.Parse(string(a.Body))
	require.NoError(t, err)
	return bundle
}
