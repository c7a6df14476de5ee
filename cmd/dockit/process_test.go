package main

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startProcess runs `dockit api-server` with a root user on a free port, and
// returns it with its address. The end of the test kills it.
func startProcess(t *testing.T, flags ...string) (process *exec.Cmd, address string) {
	t.Helper()
	process = exec.Command("dockit", append([]string{
		"api-server", "--listen", "127.0.0.1:0", "--root-user", "admin", "--root-password", "correct-horse-battery",
	}, flags...)...)
	process.Dir = t.TempDir()
	process.Env = append(process.Environ(), "XDG_DATA_HOME="+process.Dir, "XDG_CONFIG_HOME="+process.Dir)
	stderr, err := process.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	t.Cleanup(func() { _ = process.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	var log strings.Builder
	for lines.Scan() {
		log.WriteString(lines.Text() + "\n")
		if match := servingLine.FindStringSubmatch(lines.Text()); match != nil {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			base, err := url.Parse(match[1])
			require.NoError(t, err)
			return process, base.Host
		}
	}
	t.Fatalf("the server did not start\n%s", log.String())
	return nil, ""
}

// TestStopDrains stops a server while a request is half sent: it is still
// answered, and the process ends with exit code 0.
func TestStopDrains(t *testing.T) {
	t.Parallel()
	process, address := startProcess(t)
	body, send := io.Pipe()
	req, err := http.NewRequest(http.MethodPost, "http://"+address+"/dockit/api/v1/users", body)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth("admin", "correct-horse-battery")
	// The server says so when it begins to read the body.
	req.Header.Set("Expect", "100-continue")
	reading := make(chan struct{})
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }}))
	status := make(chan string, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			status <- err.Error()
			return
		}
		resp.Body.Close()
		status <- resp.Status
	}()
	_, err = io.WriteString(send, `{"name":`)
	require.NoError(t, err)
	select {
	case <-reading:
	case got := <-status:
		t.Fatalf("the request was not waited for: %s", got)
	case <-time.After(patience):
		t.Fatal("the request did not come through")
	}
	require.NoError(t, process.Process.Signal(syscall.SIGTERM))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := http.Get("http://" + address + "/healthz"); err != nil {
			break // nothing new is accepted
		}
		require.LessOrEqual(t, time.Now(), deadline, "the server goes on accepting requests")
	}
	_, err = io.WriteString(send, `"alice"}`)
	require.NoError(t, err)
	_ = send.Close()
	assert.Equal(t, "201 Created", <-status, "the request in flight")
	assert.NoError(t, process.Wait())
}
