package dockit

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
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
	old := found.(*handover)
	conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.port))
	require.NoError(t, err)
	defer conn.Close()
	eventually := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
			require.False(t, time.Now().After(deadline), what)
		}
	}
	eventually("it is not accepted", func() bool { return old.waitFor() > 0 })

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

// TestReloadDoesNotWaitForIdleConnections guards that nobody who connects and
// says nothing delays a reload for longer than a few seconds.
func TestReloadDoesNotWaitForIdleConnections(t *testing.T) {
	h := &handover{fresh: map[net.Conn]*freshConnection{
		&net.TCPConn{}: {accepted: time.Now().Add(-2 * freshFor)},
		&net.TCPConn{}: {accepted: time.Now().Add(-freshFor)},
	}}
	assert.LessOrEqual(t, h.waitFor(), time.Duration(0))
	h.fresh[&net.TCPConn{}] = &freshConnection{accepted: time.Now()}
	assert.Positive(t, h.waitFor())
	assert.LessOrEqual(t, h.waitFor(), freshFor)
}

// TestConnectionsAreNotKeptInMemory guards that nothing is left of connections
// that had their request, or never had one.
func TestConnectionsAreNotKeptInMemory(t *testing.T) {
	s := newSite(t)
	mustLoad(t, s.String())
	found, _ := handovers.Load(runningHTTP(t))
	h := found.(*handover)
	client := newClient(t) // keeps its connection
	require.NoError(t, ask(client, s.url(tokenPath)))
	for range 10 {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.port))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	require.NoError(t, ask(newClient(t), s.url(tokenPath)), "each of them was accepted before")
	for deadline := time.Now().Add(20 * time.Second); h.waitFor() > 0; time.Sleep(time.Millisecond) {
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
