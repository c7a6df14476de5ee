package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// TestOneAddressStarvesNobody keeps a thousand connections from one address busy with wrong passwords, for a new name
// each time. Meanwhile people at eight other addresses log in, with passwords that were never checked before.
func TestOneAddressStarvesNobody(t *testing.T) {
	const (
		connections  = 1000
		others, each = 8, 3
		bound        = 2 * time.Second
	)
	server := startDockit(t, dockit.Config{Args: []string{"--service", service, "--log-level", "error"}})
	admin := server.Admin()
	password := func(name string) string { return "the password of " + name }
	for i := range others * each {
		name := fmt.Sprint("user", i)
		_, err := admin.RunInput(t.Context(), password(name), "rbac", "add", "user:"+name, "--password-stdin")
		require.NoError(t, err)
	}
	from := func(address string) *http.Client {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: connections}, Timeout: time.Minute}
		t.Cleanup(client.CloseIdleConnections)
		return client
	}
	ask := func(ctx context.Context, client *http.Client, username, password string) (int, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v2/token?service="+service, nil)
		if err != nil {
			return 0, err
		}
		r.SetBasicAuth(username, password)
		answer, err := client.Do(r)
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		_, err = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode, err
	}

	flooding, stop := context.WithCancel(t.Context())
	var (
		flood, people sync.WaitGroup
		names, busy   atomic.Int64
		mu            sync.Mutex
		took          []time.Duration
	)
	guesser := from("127.0.0.1")
	for range connections {
		flood.Go(func() {
			for flooding.Err() == nil {
				if status, _ := ask(flooding, guesser, fmt.Sprint("guess", names.Add(1)), "a wrong password"); status == http.StatusServiceUnavailable {
					busy.Add(1)
				}
			}
		})
	}
	require.Eventually(t, func() bool { return busy.Load() > connections }, time.Minute, 10*time.Millisecond, "nothing is flooded")
	for i := range others {
		people.Go(func() {
			client := from(fmt.Sprint("127.0.0.", 2+i))
			for j := range each {
				name, began := fmt.Sprint("user", i*each+j), time.Now()
				status, err := ask(t.Context(), client, name, password(name))
				if err != nil || status != http.StatusOK {
					t.Errorf("%s: status %d, %v", name, status, err)
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
		})
	}
	people.Wait()
	stop()
	flood.Wait()
	t.Logf("right passwords from %d addresses beside %d connections from one (%d tries, %d of them refused at once): median %v, longest %v of %d",
		others, connections, names.Load(), busy.Load(), quantile(took, 50), quantile(took, 100), len(took))
	require.Less(t, quantile(took, 100), bound)
}
