package dockit

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/internal/apiserver"
	"github.com/dockit-registry/dockit/internal/connections"
)

func runningHTTP(t *testing.T) *caddyhttp.App {
	t.Helper()
	app, err := caddy.ActiveContext().App("http")
	require.NoError(t, err)
	return app.(*caddyhttp.App)
}

// TestReloadWaitsForAcceptedConnections guards that a client whose connection the
// old configuration has accepted, and whose request comes after the reload has
// begun, is answered.
func TestReloadWaitsForAcceptedConnections(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	found, _ := handovers.Load(runningHTTP(t))
	old := found.(*connections.Handover)
	conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.port))
	require.NoError(t, err)
	defer conn.Close()
	eventually := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
			require.False(t, time.Now().After(deadline), what)
		}
	}
	eventually("it is not accepted", func() bool { return old.WaitFor() > 0 })

	before := runningApp()
	loaded := make(chan error, 1)
	config := adapt(t, "Caddyfile", s.String())
	go func() { loaded <- caddy.Load(config, true) }()
	eventually("no other configuration runs", func() bool { return runningApp() != before })
	require.NoError(t, ask(newClient(t), s.url(tokenPath)), "somebody else meanwhile")

	_, err = io.WriteString(conn, "GET "+tokenPath+" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	require.NoError(t, <-loaded)
}

// TestConnectionsAreNotKeptInMemory guards that nothing is left of connections
// that had their request, or never had one.
func TestConnectionsAreNotKeptInMemory(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	found, _ := handovers.Load(runningHTTP(t))
	h := found.(*connections.Handover)
	client := newClient(t) // keeps its connection
	require.NoError(t, ask(client, s.url(tokenPath)))
	for range 10 {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.port))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	require.NoError(t, ask(newClient(t), s.url(tokenPath)), "each of them was accepted before")
	for deadline := time.Now().Add(20 * time.Second); h.WaitFor() > 0; time.Sleep(time.Millisecond) {
		require.False(t, time.Now().After(deadline), "connections are left")
	}
	app := runningHTTP(t)
	mustLoad(t, s.String())
	_, found2 := handovers.Load(app)
	assert.False(t, found2, "the one of the configuration before is left")
}

// TestShutdownDelayLeavesListenersAlone guards that Caddy's own count of who
// listens where goes on: it looks at it for shutdown_delay.
func TestShutdownDelayLeavesListenersAlone(t *testing.T) {
	s := newSite(t)
	s.global = "shutdown_delay 1ms"
	mustLoad(t, s.String())
	for _, server := range runningHTTP(t).Servers {
		assert.Equal(t, []string{"127.0.0.1:" + strconv.Itoa(s.port)}, server.Listen)
		assert.Equal(t, 1, caddy.ListenerUsage("tcp", server.Listen[0]))
	}
}

func TestAddressesWhoseSocketsAreKept(t *testing.T) {
	for _, tc := range []struct {
		name, address string
		tls           bool
		want          string
	}{
		{"every address", ":443", true, "dockit-tcp/:443"},
		{"a host", "localhost:5000", false, "dockit-tcp/localhost:5000"},
		{"IPv6", "[::1]:5000", false, "dockit-tcp/[::1]:5000"},
		{"one family", "tcp6/:5000", false, "dockit-tcp6/:5000"},
		{"many ports", ":5000-5002", false, "dockit-tcp/:5000-5002"},
		{"a Unix socket", "unix//run/dockit.sock|0660", false, "dockit-unix//run/dockit.sock|0660:1"},
		{"one of systemd", "fd/3", true, "dockit-fd/3:1"},
		{"any port is another one each time", "127.0.0.1:0", false, "127.0.0.1:0"},
		{"a Unix socket with TLS", "unix//run/dockit.sock", true, "unix//run/dockit.sock"},
		{"a path with a colon", "unix//run/dockit:2", false, "dockit-unix/[/run/dockit:2]:1"},
		{"a network of somebody else", "tailscale/host:443", true, "tailscale/host:443"},
		{"nobody can listen there", ":x", false, ":x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kept := keptAddress(tc.address, tc.tls)
			assert.Equal(t, tc.want, kept)
			if kept == tc.address {
				return
			}
			before, err := caddy.ParseNetworkAddress(tc.address)
			require.NoError(t, err)
			after, err := caddy.ParseNetworkAddress(kept)
			require.NoError(t, err)
			assert.Equal(t, before.Host, after.Host)
			assert.Equal(t, before.PortRangeSize(), after.PortRangeSize())
		})
	}
}

// TestOneSocketIsHandedOn guards that the one who listens the longest gets every
// connection, that the next gets them from the same socket, what waits included,
// and that the last one closes it.
func TestOneSocketIsHandedOn(t *testing.T) {
	for name, target := range map[string]caddy.NetworkAddress{
		"TCP":  {Network: "tcp", Host: "127.0.0.1", StartPort: uint(freePort(t))},
		"Unix": {Network: "unix", Host: filepath.Join(t.TempDir(), "dockit.sock")},
	} {
		t.Run(name, func(t *testing.T) {
			target.EndPort = target.StartPort
			address := target.JoinHostPort(0)
			listen := func() net.Listener {
				listener, err := listenKept(t.Context(), keptPrefix+target.Network, target.Host, strconv.Itoa(int(target.StartPort)), 0, net.ListenConfig{})
				require.NoError(t, err)
				return listener.(net.Listener)
			}
			dial := func() net.Conn {
				conn, err := new(net.Dialer).DialContext(context.Background(), target.Network, address)
				require.NoError(t, err)
				t.Cleanup(func() { _ = conn.Close() })
				return conn
			}
			old, next := listen(), listen()
			taken := make(chan error, 1)
			go func() {
				_, err := next.Accept()
				taken <- err
			}()
			for range 3 {
				dial()
				_, err := old.Accept()
				require.NoError(t, err)
			}
			dial() // no server accepts it yet
			require.NoError(t, old.Close())
			require.NoError(t, old.Close(), "once more")
			_, err := old.Accept()
			require.ErrorIs(t, err, net.ErrClosed)
			require.NoError(t, <-taken)

			require.NoError(t, next.Close())
			_, err = new(net.Dialer).DialContext(context.Background(), target.Network, address)
			require.Error(t, err, "the socket is still open")
			require.NoError(t, apiserver.CheckFree(&caddy.Config{
				Admin:   &caddy.AdminConfig{Disabled: true},
				AppsRaw: caddy.ModuleMap{"http": caddyconfig.JSON(caddyhttp.App{Servers: map[string]*caddyhttp.Server{"": {Listen: []string{target.String()}}}}, nil)},
			}))
		})
	}
}

// TestReloadToAnotherAddress guards that an address that is no longer in the
// configuration is closed, and that the new one is open.
func TestReloadToAnotherAddress(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	before := s.url(tokenPath)
	require.NoError(t, ask(newClient(t), before))
	s.port = freePort(t)
	mustLoad(t, s.String())
	require.NoError(t, ask(newClient(t), s.url(tokenPath)))
	for deadline := time.Now().Add(10 * time.Second); ask(newClient(t), before) == nil; time.Sleep(time.Millisecond) {
		require.False(t, time.Now().After(deadline), "the old address still answers")
	}
	require.NoError(t, caddy.Stop())
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		open := keptSockets.Len()
		if open == 0 {
			break
		}
		require.False(t, time.Now().After(deadline), "%d sockets are open", open)
	}
}
