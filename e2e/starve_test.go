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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// TestOneAddressStarvesNobody keeps a thousand connections from one address busy with wrong passwords, for a new name
// each time. Meanwhile people at eight other addresses log in, with passwords that were never checked before. How long
// that takes is compared with how long it takes them among themselves, before and after, on whatever machine this is.
func TestOneAddressStarvesNobody(t *testing.T) {
	const (
		connections  = 1000
		others, each = 8, 3
		// slower is how many times as long it may take: first come, first served was far more than that.
		slower = 8
	)
	server := startDockit(t, dockit.Config{Args: []string{"--service", service, "--log-level", "error"}})
	admin := server.Admin()
	password := func(name string) string { return "the password of " + name }
	for i := range others * (each + 2) {
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

	// logIn has each of the others log in, so many times, with the users from the first one on.
	logIn := func(first, times int) (took []time.Duration) {
		var (
			people sync.WaitGroup
			mu     sync.Mutex
		)
		for i := range others {
			people.Go(func() {
				client := from(fmt.Sprint("127.0.0.", 2+i))
				for j := range times {
					name, began := fmt.Sprint("user", first+i*times+j), time.Now()
					status, err := ask(t.Context(), client, name, password(name))
					if !assert.NoError(t, err, name) { //nolint:testifylint // not the goroutine of the test
						return
					}
					assert.Equal(t, http.StatusOK, status, name)
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
				}
			})
		}
		people.Wait()
		return took
	}
	alone := logIn(0, 1)

	flooding, stop := context.WithCancel(t.Context())
	var (
		flood       sync.WaitGroup
		names, busy atomic.Int64
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
	took := logIn(others, each)
	stop()
	flood.Wait()
	alone = append(alone, logIn(others*(each+1), 1)...)
	t.Logf("right passwords from %d addresses beside %d connections from one (%d tries, %d of them refused at once): median %v, longest %v of %d; without them %v",
		others, connections, names.Load(), busy.Load(), quantile(took, 50), quantile(took, 100), len(took), quantile(alone, 100))
	require.Less(t, quantile(took, 100), slower*quantile(alone, 100))
}
