// Package port hands out TCP ports for the servers of a test run.
//
// A server and the registry it protects must know each other's address before either starts, so neither can
// be left to choose a port by itself.
package port

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The range lies below the one that Linux and macOS take ports of outgoing connections from, so that no
// connection takes a port between its being handed out and its being listened on.
const (
	first = 15000
	last  = 31999
)

// ErrNoneFree is returned when no free port was found in many tries.
var ErrNoneFree = errors.New("no free TCP port found on localhost")

var (
	mu    sync.Mutex
	taken = map[int]bool{}
)

// Free returns a port that nothing listens on and that was not handed out before by this process.
func Free(ctx context.Context) (int, error) {
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		p := first + rand.IntN(last-first+1) //nolint:gosec // a port is no secret
		if taken[p] || !free(ctx, p) {
			continue
		}
		taken[p] = true
		return p, nil
	}
	return 0, fmt.Errorf("%w between %d and %d", ErrNoneFree, first, last)
}

// Localhost is the address of port p by the name that registry clients trust over plain HTTP.
func Localhost(p int) string {
	return net.JoinHostPort("localhost", strconv.Itoa(p))
}

// free says whether the port can be listened on at every address that localhost may stand for. Machines
// without IPv6 cannot listen on ::1 at all, which leaves the port free there.
func free(ctx context.Context, p int) bool {
	for _, host := range []string{"127.0.0.1", "::1", ""} {
		address := net.JoinHostPort(host, strconv.Itoa(p))
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			if host == "::1" && !dialable(ctx, address) {
				continue
			}
			return false
		}
		_ = l.Close()
	}
	return true
}

func dialable(ctx context.Context, address string) bool {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
