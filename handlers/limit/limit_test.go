package limit

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serve answers with what happened to the body, and closes it as careful
// handlers do.
func serve(t *testing.T, l Limits) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer Apply(w, r, l)()
		defer r.Body.Close()
		if _, err := io.ReadAll(r.Body); err != nil {
			r.Body.Close()
			http.Error(w, err.Error(), http.StatusRequestTimeout)
			return
		}
		_, _ = io.WriteString(w, "read "+r.URL.Path)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestCutShortBodyEndsTheConnection sends a second request where the rest of a
// body should be. A server that answered it would give one client's answer to
// another behind a proxy that shares connections.
func TestCutShortBodyEndsTheConnection(t *testing.T) {
	conn := dial(t, serve(t, Limits{Body: 1 << 20, Read: 100 * time.Millisecond, Write: time.Minute}))
	_, err := io.WriteString(conn, "POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
	require.NoError(t, err)
	answers := bufio.NewReader(conn)
	first, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestTimeout, first.StatusCode, "first answer: %s", first.Status)
	_, _ = io.Copy(io.Discard, first.Body)
	_, _ = io.WriteString(conn, "GET /second HTTP/1.1\r\nHost: x\r\n\r\n")
	_, err = http.ReadResponse(answers, nil)
	require.Error(t, err, "the rest of a body was answered")
}

func TestBodyIsBounded(t *testing.T) {
	address := serve(t, Limits{Body: 10, Read: time.Minute, Write: time.Minute})
	for size, want := range map[int]int{10: http.StatusOK, 11: http.StatusRequestTimeout} {
		resp, err := http.Post("http://"+address+"/", "text/plain", strings.NewReader(strings.Repeat("x", size)))
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, want, resp.StatusCode, "%d bytes: %s", size, resp.Status)
	}
}

func TestConnectionServesTheNextRequest(t *testing.T) {
	conn := dial(t, serve(t, Limits{Body: 10, Read: time.Minute, Write: time.Minute}))
	answers := bufio.NewReader(conn)
	for _, path := range []string{"/first", "/second"} {
		_, err := io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
		require.NoError(t, err)
		resp, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		text, _ := io.ReadAll(resp.Body)
		assert.Equal(t, "read "+path, string(text), "%s: %q", path, text)
	}
}

// TestDeadlineEndsWithTheBody answers later than a body may take. Neither that
// request nor the next one on the connection must be taken for given up.
func TestDeadlineEndsWithTheBody(t *testing.T) {
	for name, request := range map[string]string{
		"no body":    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"empty body": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"body":       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		"chunked":    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer Apply(w, r, Limits{Body: 10, Read: 50 * time.Millisecond, Write: time.Minute})()
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
				select {
				case <-r.Context().Done():
					http.Error(w, "given up", http.StatusServiceUnavailable)
				case <-time.After(200 * time.Millisecond):
				}
			}))
			server.Config.ReadTimeout = 100 * time.Millisecond
			server.Start()
			t.Cleanup(server.Close)
			conn := dial(t, server.Listener.Addr().String())
			answers := bufio.NewReader(conn)
			for i := range 2 {
				_, err := io.WriteString(conn, request)
				require.NoError(t, err)
				resp, err := http.ReadResponse(answers, nil)
				require.NoError(t, err, "request %d", i)
				text, _ := io.ReadAll(resp.Body)
				assert.Equal(t, http.StatusOK, resp.StatusCode, "request %d: %s %s", i, resp.Status, text)
			}
		})
	}
}
