package limit

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serveStreams runs a server of HTTP/2, and returns a client of it.
func serveStreams(t *testing.T, handler http.HandlerFunc) (client *http.Client, url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Client(), server.URL
}

// TestStreamsAreBounded has bodies over HTTP/2 that are too long, come too late,
// and are as they should be. Only an answer may take longer than a body.
func TestStreamsAreBounded(t *testing.T) {
	client, url := serveStreams(t, func(w http.ResponseWriter, r *http.Request) {
		defer Apply(w, r, Limits{Body: 10, Read: 100 * time.Millisecond, Write: time.Minute})()
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusRequestTimeout)
			return
		}
		time.Sleep(200 * time.Millisecond)
		_, _ = io.WriteString(w, "read")
	})
	late, end := io.Pipe()
	defer end.Close()
	for name, c := range map[string]struct {
		body io.Reader
		want bool
	}{
		"none":     {http.NoBody, true},
		"short":    {strings.NewReader("0123456789"), true},
		"too long": {strings.NewReader("0123456789a"), false},
		"too late": {late, false},
	} {
		resp, err := client.Post(url, "text/plain", c.body)
		if err != nil {
			assert.False(t, c.want, "%s: %v", name, err)
			continue
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		assert.Equal(t, c.want, string(text) == "read", "%s: %s %s %q", name, resp.Proto, resp.Status, text)
		assert.Equal(t, 2, resp.ProtoMajor, "%s: %s %s %q", name, resp.Proto, resp.Status, text)
	}
}

// TestAnswersToStreamsAreBounded has a client that does not take its answer.
func TestAnswersToStreamsAreBounded(t *testing.T) {
	ended := make(chan error, 1)
	client, url := serveStreams(t, func(w http.ResponseWriter, r *http.Request) {
		defer Apply(w, r, Limits{Body: 10, Read: time.Minute, Write: 100 * time.Millisecond})()
		var err error
		for chunk := make([]byte, 1<<20); err == nil; {
			_, err = w.Write(chunk)
		}
		ended <- err
	})
	resp, err := client.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the server still waits")
	}
}
