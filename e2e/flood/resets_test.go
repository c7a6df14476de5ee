package flood

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// resetters are how many connections the stranger has at a time.
	resetters = 4
	// burst is how many streams are opened and reset in one go.
	burst = 50
)

// resets opens streams of HTTP/2 with wrong passwords from one address and resets each at once. A connection that the
// server ends is replaced by another one.
func resets(ctx context.Context, s *server) int64 {
	var (
		all  sync.WaitGroup
		sent atomic.Int64
	)
	for range resetters {
		all.Go(func() {
			for ctx.Err() == nil {
				_ = s.reset(ctx, &sent) // it ends when the server has enough
			}
		})
	}
	all.Wait()
	return sent.Load()
}

// reset floods one connection.
func (s *server) reset(ctx context.Context, sent *atomic.Int64) error {
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Timeout: 5 * time.Second},
		Config:    &tls.Config{RootCAs: s.roots, ServerName: "localhost", NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12},
	}
	conn, err := dialer.DialContext(ctx, "tcp4", s.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	go func() {
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}()

	out := bufio.NewWriterSize(conn, 64<<10)
	if _, err := io.WriteString(out, http2.ClientPreface); err != nil {
		return err
	}
	frames := http2.NewFramer(out, nil)
	if err := frames.WriteSettings(); err != nil {
		return err
	}
	if err := frames.WriteSettingsAck(); err != nil {
		return err
	}
	var block bytes.Buffer
	headers := hpack.NewEncoder(&block)
	for stream := uint32(1); stream < 1<<31; stream += 2 {
		block.Reset()
		for _, field := range []hpack.HeaderField{
			{Name: ":method", Value: "GET"},
			{Name: ":scheme", Value: "https"},
			{Name: ":authority", Value: s.Host},
			{Name: ":path", Value: tokenPath},
			{Name: "authorization", Value: wrong(sent.Add(1)), Sensitive: true},
		} {
			if err := headers.WriteField(field); err != nil {
				return err
			}
		}
		if err := frames.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
			return err
		}
		if err := frames.WriteRSTStream(stream, http2.ErrCodeCancel); err != nil {
			return err
		}
		if stream%(2*burst) == 1 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}
