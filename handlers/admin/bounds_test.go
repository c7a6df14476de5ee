package admin

import (
	"bufio"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// deadlines notes until when a body may come.
type deadlines struct {
	http.ResponseWriter
	read *[]time.Time
}

func (d deadlines) SetReadDeadline(at time.Time) error {
	*d.read = append(*d.read, at)
	return nil
}

func (deadlines) SetWriteDeadline(time.Time) error { return nil }

// TestSlowBodyIsShortUntilLogin looks at how long a body of a whole state may
// take to come, for whom.
func TestSlowBodyIsShortUntilLogin(t *testing.T) {
	f := populated(t)
	for name, c := range map[string]struct {
		login    func(*http.Request)
		longest  time.Duration
		path     string
		accepted int
	}{
		"nobody":         {func(r *http.Request) { r.Header.Del("Authorization") }, readTimeout, "/state", 401},
		"wrong password": {func(r *http.Request) { r.SetBasicAuth("root", "not the password") }, readTimeout, "/state/plan", 401},
		"no admin":       {func(r *http.Request) { r.SetBasicAuth("alice", goodPassword) }, readTimeout, "/state", 403},
		"an admin":       {func(*http.Request) {}, stateTimeout, "/state?add=true", 200},
		"another path":   {func(*http.Request) {}, readTimeout, "/users", 400},
	} {
		t.Run(name, func(t *testing.T) {
			method := "PUT"
			if c.path != "/state" && c.path != "/state?add=true" {
				method = "POST"
			}
			var set []time.Time
			began := time.Now()
			got := f.doOn(func(w http.ResponseWriter) http.ResponseWriter { return deadlines{w, &set} }, method, c.path, "version: dockit/v1\n", c.login)
			assert.Equal(t, c.accepted, got.StatusCode, "body: %s", got.body)
			longest := time.Duration(0)
			for _, at := range set {
				if !at.IsZero() {
					longest = max(longest, at.Sub(began))
				}
			}
			assert.InDelta(t, c.longest.Seconds(), longest.Seconds(), 5)
		})
	}
}

// TestSlowBodyWithoutLoginIsAnsweredAtOnce sends the beginning of a state over a
// real connection.
func TestSlowBodyWithoutLoginIsAnsweredAtOnce(t *testing.T) {
	f := populated(t)
	server := httptest.NewServer(f.api)
	t.Cleanup(server.Close)
	for name, c := range map[string]struct {
		authorization string
		status        int
	}{
		"nobody":   {"", 401},
		"no admin": {"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+goodPassword)) + "\r\n", 403},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			t.Cleanup(func() { conn.Close() })
			require.NoError(t, conn.SetDeadline(time.Now().Add(readTimeout/2)))
			_, err = io.WriteString(conn, "PUT /dockit/api/v1/state HTTP/1.1\r\nHost: x\r\n"+c.authorization+"Content-Length: 30000000\r\n\r\nversion")
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err, "the answer waits for the body")
			response.Body.Close()
			assert.Equal(t, c.status, response.StatusCode)
		})
	}
}
