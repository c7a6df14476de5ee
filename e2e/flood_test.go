package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/dockit"
)

// TestGuessersDoNotStarveRobots sends a thousand wrong logins at once, and meanwhile asks for tokens with an access
// token. Each of those must be issued; how long they take is reported beside the quiet case.
func TestGuessersDoNotStarveRobots(t *testing.T) {
	const guessers = 1000
	server := startDockit(t, dockit.Config{Args: []string{"--service", service}})
	s := &stack{dockit: server, admin: server.Admin()}
	s.rbac(t, "add", "robot:ci")
	_, token := s.accessToken(t, "robot:ci", "pull")
	url := server.URL + "/v2/token?service=" + service + "&scope=repository:app:pull"

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: guessers}, Timeout: time.Minute}
	t.Cleanup(client.CloseIdleConnections)
	ask := func(username, password string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			return 0, err
		}
		req.SetBasicAuth(username, password)
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	pull := func() time.Duration {
		began := time.Now()
		status, err := ask("ci", token)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		return time.Since(began)
	}
	quiet := make([]time.Duration, 500)
	for i := range quiet {
		quiet[i] = pull()
	}

	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for i := range guessers {
		wg.Go(func() {
			status, err := ask(fmt.Sprintf("user%d", i), "a wrong password")
			if !assert.NoError(t, err) { //nolint:testifylint // not the goroutine of the test
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers[status]++
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var loud []time.Duration
	for flooded := true; flooded; {
		loud = append(loud, pull())
		select {
		case <-done:
			flooded = false
		default:
		}
	}
	t.Logf("an access token, quiet: median %v, p99 %v of %d; under %d wrong logins at once: median %v, p99 %v of %d; their answers: %v",
		quantile(quiet, 50), quantile(quiet, 99), len(quiet), guessers, quantile(loud, 50), quantile(loud, 99), len(loud), answers)
	require.Equal(t, guessers, answers[http.StatusUnauthorized]+answers[http.StatusServiceUnavailable], "%v", answers)
	require.NotZero(t, answers[http.StatusUnauthorized])
}

func quantile(durations []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(10 * time.Microsecond)
}
