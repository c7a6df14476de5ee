package flood

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// guessers are how many connections the stranger opens at a time.
	guessers = 64
	// guessesEach is how many passwords are tried for one name.
	guessesEach = 3000
)

// guesses sends wrong passwords from one address, each on a connection of its own that is closed before the answer comes.
func guesses(ctx context.Context, s *server) int64 {
	var (
		all        sync.WaitGroup
		sent, next atomic.Int64
	)
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Timeout: time.Second}
	for range guessers {
		all.Go(func() {
			for ctx.Err() == nil {
				conn, err := dialer.DialContext(ctx, "tcp4", s.address)
				if err != nil {
					continue // all that it accepts are taken
				}
				i := next.Add(1)
				if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n\r\n", tokenPath, s.Host, wrong(i)); err == nil {
					sent.Add(1)
				}
				_ = conn.Close()
			}
		})
	}
	all.Wait()
	return sent.Load()
}

// wrong are credentials that nobody has, and nobody sent before.
func wrong(i int64) string {
	return "Basic " + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "guess%d:wrong password %d", i/guessesEach, i))
}
