package dockit

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/dockit-registry/dockit/internal/apiserver"
)

// runLimited runs api-server with a low limit of connections.
func runLimited(t *testing.T, most int, args ...string) string {
	t.Helper()
	base := runChanged(t, func(config *caddy.Config) {
		var app caddyhttp.App
		require.NoError(t, json.Unmarshal(config.AppsRaw["http"], &app))
		app.Servers[apiserver.MainServer].ListenerWrappersRaw[0] = caddyconfig.JSONModuleObject(&ConnectionLimit{Most: most}, "wrapper", "dockit_connections", nil)
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
			var closed atomic.Int64
			for _, conn := range all {
				go func() {
					_, _ = io.Copy(io.Discard, conn) // until the server closes it, or the test
					closed.Add(1)
				}()
			}
			require.Eventually(t, func() bool { return closed.Load() >= 80 }, 10*time.Second, 5*time.Millisecond, "80 of 100 made room")
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
