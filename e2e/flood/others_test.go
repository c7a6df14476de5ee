package flood

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// others log in beside a flood, one after the other on several lines at a time, each on a connection of its own.
type others struct {
	lines int
	every time.Duration
	// once returns an error when what is right is not taken for it.
	once func(ctx context.Context) error

	mu      sync.Mutex
	took    []time.Duration
	refused int
}

func (o *others) String() string {
	return fmt.Sprintf("median %v, p99 %v, longest %v of %d", quantile(o.took, 50), quantile(o.took, 99), quantile(o.took, 100), len(o.took))
}

// logIn goes on until the context ends.
func (o *others) logIn(ctx context.Context, t *testing.T) {
	var all sync.WaitGroup
	for range o.lines {
		all.Go(func() {
			every := time.NewTicker(o.every)
			defer every.Stop()
			for ctx.Err() == nil {
				began := time.Now()
				err := o.once(context.WithoutCancel(ctx))
				o.mu.Lock()
				o.took = append(o.took, time.Since(began))
				if err != nil {
					if o.refused++; o.refused == 1 {
						t.Log(err)
					}
				}
				o.mu.Unlock()
				select {
				case <-every.C:
				case <-ctx.Done():
				}
			}
		})
	}
	all.Wait()
}

// somewhere numbers the addresses of a machine that nobody has used before. No two are of the same customer.
type somewhere struct{ next atomic.Int64 }

func (s *somewhere) address() net.IP {
	n := s.next.Add(1)
	return net.IPv4(127, byte(1+n/250), byte(1+n%250), 1)
}

// ask asks for a token on a connection of its own from an address, and returns an error when there is none.
func (s *server) ask(ctx context.Context, from net.IP, username, password string) error {
	transport := &http.Transport{
		DialContext:       (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext,
		TLSClientConfig:   &tls.Config{RootCAs: s.roots, ServerName: "localhost", MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}
	client := http.Client{Transport: transport, Timeout: 30 * time.Second}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+tokenPath, nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(username, password)
	req.Host = s.Host
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s from %s: %s after %s: %s", username, from, resp.Status, time.Since(began), body)
	}
	return nil
}

func quantile(durations []time.Duration, percent int) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(100 * time.Microsecond)
}
