package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reloads is how often [TestReloadsDropNoConnection] reloads.
func reloads(t *testing.T) int {
	t.Helper()
	s := os.Getenv("DOCKIT_TEST_RELOADS")
	if s == "" {
		return 15
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err, "DOCKIT_TEST_RELOADS")
	return n
}

// TestReloadsDropNoConnection reloads a server while clients send each request
// on a connection of its own: every one is answered, whatever the reload does
// to the sockets.
func TestReloadsDropNoConnection(t *testing.T) {
	t.Parallel()
	const clients = 6
	dir := t.TempDir()
	plain, secure, socket := freePort(t), freePort(t), filepath.Join(dir, "dockit.sock")
	caddyfile := filepath.Join(dir, "Caddyfile")
	require.NoError(t, os.WriteFile(caddyfile, fmt.Appendf(nil, `{
	admin off
	persist_config off
	default_bind 127.0.0.1
	skip_install_trust
	grace_period 10s
	http_port %[1]d
	https_port %[2]d
	dockit {
		database sqlite dockit.sqlite
	}
}
http://127.0.0.1:%[1]d {
	dockit
}
dockit.localhost {
	dockit
}
http://localhost {
	bind unix/%[3]s fd/3
	dockit
}
`, plain, secure, socket), 0o600))
	process := exec.Command("dockit", "run", "--config", caddyfile)
	process.Dir = dir
	process.Env = append(process.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	handed, err := net.Listen("tcp", "127.0.0.1:0") // as systemd does
	require.NoError(t, err)
	descriptor, err := handed.(*net.TCPListener).File()
	require.NoError(t, err)
	process.ExtraFiles = []*os.File{descriptor}
	log := new(logBuffer)
	process.Stderr = log
	require.NoError(t, process.Start())
	t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
	require.NoError(t, errors.Join(handed.Close(), descriptor.Close()))

	roots := x509.NewCertPool()
	eventually(t, log, func() bool {
		root, err := os.ReadFile(filepath.Join(dir, "caddy", "pki", "authorities", "local", "root.crt"))
		return err == nil && roots.AppendCertsFromPEM(root)
	})
	everyWay := map[string]*freshConnections{
		"HTTP":            {network: "tcp", address: fmt.Sprintf("127.0.0.1:%d", plain), url: fmt.Sprintf("http://127.0.0.1:%d/healthz", plain)},
		"HTTP/1 over TLS": {network: "tcp", address: fmt.Sprintf("127.0.0.1:%d", secure), url: "https://dockit.localhost/healthz", roots: roots},
		"HTTP/2 over TLS": {network: "tcp", address: fmt.Sprintf("127.0.0.1:%d", secure), url: "https://dockit.localhost/healthz", roots: roots, http2: true},
		"handed over":     {network: "tcp", address: handed.Addr().String(), url: "http://localhost/healthz"},
		"Unix socket":     {network: "unix", address: socket, url: "http://localhost/healthz"},
	}
	for _, way := range everyWay {
		eventually(t, log, func() bool { return way.ask() == nil }) // certificates are made in the background
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	for _, way := range everyWay {
		for range clients {
			running.Go(func() {
				for ctx.Err() == nil {
					way.count(way.ask())
				}
			})
		}
	}
	for i := range reloads(t) {
		require.NoError(t, process.Process.Signal(syscall.SIGUSR1))
		eventually(t, log, func() bool { return strings.Count(log.String(), "successfully reloaded config") > i })
	}
	stop()
	running.Wait()
	for name, way := range everyWay {
		t.Logf("%s: %d of %d requests were not answered", name, way.dropped.Load(), way.sent.Load())
		n := way.dropped.Load()
		assert.Zero(t, n, "%s: %d of %d requests were not answered, such as: %v", name, n, way.sent.Load(), way.first)
	}
}

// freshConnections sends requests, each on a connection of its own.
type freshConnections struct {
	network, address, url string
	roots                 *x509.CertPool
	http2                 bool

	sent, dropped atomic.Int64
	once          sync.Once
	first         error
}

func (f *freshConnections) ask() error {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, f.network, f.address)
		},
		TLSClientConfig: &tls.Config{RootCAs: f.roots},
		Protocols:       new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(!f.http2)
	transport.Protocols.SetHTTP2(f.http2)
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Get(f.url)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return errors.Join(err, resp.Body.Close())
}

func (f *freshConnections) count(err error) {
	f.sent.Add(1)
	if err != nil {
		f.dropped.Add(1)
		f.once.Do(func() { f.first = err })
	}
}
