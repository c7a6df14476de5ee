package dockit

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// runLimited runs api-server with a low limit of connections.
func runLimited(t *testing.T, most int, args ...string) string {
	t.Helper()
	base := runChanged(t, func(config *caddy.Config) {
		var app caddyhttp.App
		require.NoError(t, json.Unmarshal(config.AppsRaw["http"], &app))
		app.Servers[mainServer].ListenerWrappersRaw[0] = caddyconfig.JSONModuleObject(&ConnectionLimit{Most: most}, "wrapper", "dockit_connections", nil)
		config.AppsRaw["http"] = caddyconfig.JSON(&app, nil)
	}, args...)
	return base[len("http://"):]
}

// held opens connections, each after writing something, and keeps them.
func held(t *testing.T, address, text string, number int) []net.Conn {
	t.Helper()
	all := make([]net.Conn, number)
	for i := range all {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, text)
		require.NoError(t, err)
		all[i] = conn
	}
	return all
}

// TestIdleConnectionsLockNobodyOut guards that connections without a request
// make room for those of others.
func TestIdleConnectionsLockNobodyOut(t *testing.T) {
	for name, text := range map[string]string{
		"nothing sent": "",
		"half sent":    "GET /healthz HTTP/1.1\r\nHost: a\r\n",
		"kept alive":   "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			address := runLimited(t, 20)
			all := held(t, address, text, 100)
			began := time.Now()
			for range 5 {
				require.NoError(t, ask(newClient(t), "http://"+address+"/v2/token?service=registry&scope=repository:app:pull"))
			}
			assert.Less(t, time.Since(began), 5*time.Second)
			require.NoError(t, all[0].SetReadDeadline(time.Now().Add(10*time.Second)))
			_, err := io.ReadAll(all[0])
			var netErr net.Error
			assert.False(t, errors.As(err, &netErr) && netErr.Timeout(), "the one that waited longest is still open")
		})
	}
}

// TestRequestsInFlightAreNotCutForOthers guards that a connection whose request
// is being answered is never the one that is closed.
func TestRequestsInFlightAreNotCutForOthers(t *testing.T) {
	arrived, answer := make(chan struct{}, 1), make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	registry := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-answer
		_, _ = io.WriteString(w, "layer")
	})}
	go registry.Serve(listener)
	defer registry.Close()
	address := runLimited(t, 10, "--upstream", listener.Addr().String())

	busy := held(t, address, "GET /v2/app/blobs/x HTTP/1.1\r\nHost: a\r\n\r\n", 1)[0]
	<-arrived
	held(t, address, "", 50)
	require.NoError(t, ask(newClient(t), "http://"+address+"/v2/token?service=registry&scope=repository:app:pull"))
	close(answer)
	resp, err := http.ReadResponse(bufio.NewReader(busy), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "layer", string(body))
}

// TestConnectionsWaitWhileAllHaveRequests guards that the limit holds, and that
// stopping does not wait for those who wait.
func TestConnectionsWaitWhileAllHaveRequests(t *testing.T) {
	limit := &ConnectionLimit{Most: 1}
	require.NoError(t, limit.Provision(caddy.Context{Context: t.Context()}))
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener := limit.WrapListener(inner)
	held(t, inner.Addr().String(), "", 3)
	first, err := listener.Accept()
	require.NoError(t, err)
	c := limit.find(first)
	limit.mu.Lock()
	limit.unwait(c)
	limit.mu.Unlock()

	accepted := make(chan error, 1)
	var second net.Conn
	go func() {
		var err error
		second, err = listener.Accept()
		accepted <- err
	}()
	select {
	case err := <-accepted:
		t.Fatal("accepted beyond the limit", err)
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, first.Close())
	require.NoError(t, <-accepted)
	limit.mu.Lock()
	limit.unwait(limit.open[second.RemoteAddr()])
	limit.mu.Unlock()

	go func() {
		_, err := listener.Accept()
		accepted <- err
	}()
	require.NoError(t, listener.Close())
	require.Error(t, <-accepted)
}

// TestEveryServerIsLimited guards that no listener of api-server is without a
// limit, and that it stands before TLS.
func TestEveryServerIsLimited(t *testing.T) {
	for _, args := range [][]string{nil, {"--domain", "a.example.com", "--metrics-listen", ":9100"}} {
		_, app := configOf(t, args...)
		all := 0
		for name, server := range app.Servers {
			require.Len(t, server.ListenerWrappersRaw, 2, name)
			assert.Contains(t, string(server.ListenerWrappersRaw[0]), "dockit_connections", name)
			assert.JSONEq(t, `{"wrapper":"tls"}`, string(server.ListenerWrappersRaw[1]), name)
			assert.NotZero(t, server.ReadHeaderTimeout, name)
			assert.NotZero(t, server.IdleTimeout, name)
			var limit ConnectionLimit
			require.NoError(t, json.Unmarshal(server.ListenerWrappersRaw[0], &limit))
			limit.defaults()
			all += limit.Most
		}
		assert.LessOrEqual(t, all, maxOpenFiles()*3/4, "together")
	}
}

// TestRunnableIsKnown guards that the runtime still tells what new connections
// wait for.
func TestRunnableIsKnown(t *testing.T) {
	const many = 100
	end := make(chan struct{})
	defer close(end)
	for range many {
		go func() {
			for {
				select {
				case <-end:
					return
				default:
					runtime.Gosched()
				}
			}
		}()
	}
	require.Eventually(t, func() bool { return runnable() > many/2 }, 10*time.Second, time.Millisecond)
}
