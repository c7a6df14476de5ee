// Package freeport hands out TCP ports of 127.0.0.1 for servers of tests that
// have to know theirs before they start.
package freeport

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The range lies below the one that systems take ports of outgoing connections
// and of listeners on any port from: nothing takes one between its being handed
// out and its being listened on.
const (
	first = 15000
	last  = 31999
	tries = 1000
)

var (
	mu    sync.Mutex
	taken = map[int]bool{}
)

// Next returns a port that nothing listens on, and that this process was not
// given before.
func Next(ctx context.Context) (int, error) {
	mu.Lock()
	defer mu.Unlock()
	for range tries {
		port := first + rand.IntN(last-first+1) //nolint:gosec // a port is no secret
		if taken[port] {
			continue
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		_ = listener.Close()
		taken[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("no TCP port of 127.0.0.1 between %d and %d is free after %d tries", first, last, tries)
}
