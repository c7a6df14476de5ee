package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestHalfSentRequests sends the beginnings of requests and nothing more: the
// server must not hold their connections for longer than 30 seconds, whether
// or not it proxies a registry, whose uploads may take longer.
func TestHalfSentRequests(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for timeouts of the server")
	}
	t.Parallel()
	const limit = 30 * time.Second
	halves := map[string]string{
		"header":        "GET /v2/token?service=registry HTTP/1.1\r\nHost: localhost\r\nX-Half: ",
		"body, read":    "POST /dockit/api/v1/users HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic YWRtaW46Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		"body, unread":  "POST /dockit/api/v1/users HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
		"another site":  "POST /dockit/api/v1/users HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 100\r\n\r\n{",
		"large body":    "POST /dockit/api/v1/users HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{",
		"long URL":      "POST /dockit/api/v1/users?x=" + strings.Repeat("x", 9<<10) + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
		"body of token": "POST /v2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant_type=",
		"body of PEM":   "GET /v2/certs/pem HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx",
	}
	var wg sync.WaitGroup
	for _, flags := range [][]string{nil, {"--upstream", "127.0.0.1:1"}} {
		_, address := startProcess(t, flags...)
		for name, half := range halves {
			wg.Go(func() {
				assert.NoError(t, awaitClose(address, half, limit), "%s %v", name, flags)
			})
		}
	}
	wg.Wait()
}

// awaitClose sends half a request and waits until the server has closed the
// connection, after an answer or without.
func awaitClose(address, half string, limit time.Duration) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(half)); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the connection is open after %s", limit)
	}
	return nil
}
