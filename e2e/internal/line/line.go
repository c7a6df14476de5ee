// Package line is a slow line to a server: connections through it share what it carries.
package line

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/dockit-registry/dockit/e2e/internal/port"
)

// chunk is how much is sent at once, in bytes.
const chunk = 1 << 10

// Line is a slow line.
type Line struct {
	// Host is where it begins, such as localhost:15000.
	Host string

	to       string
	limiter  *rate.Limiter
	listener net.Listener
	ctx      context.Context //nolint:containedctx // it is that of the line
	cut      context.CancelFunc
	running  sync.WaitGroup
}

// Start makes a line to an address that carries so many bytes per second there, and any number back, until it is closed.
func Start(ctx context.Context, to string, perSecond float64) (*Line, error) {
	p, err := port.Free(ctx)
	if err != nil {
		return nil, err
	}
	l := &Line{Host: port.Localhost(p), to: to, limiter: rate.NewLimiter(rate.Limit(perSecond), chunk)}
	l.ctx, l.cut = context.WithCancel(context.WithoutCancel(ctx))
	if l.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", l.Host); err != nil {
		return nil, err
	}
	l.running.Go(l.serve)
	return l, nil
}

// Close cuts the line.
func (l *Line) Close() error {
	l.cut()
	err := l.listener.Close()
	l.running.Wait()
	return err
}

func (l *Line) serve() {
	for {
		from, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.carry(from) })
	}
}

// carry connects both ends until one of them is gone.
func (l *Line) carry(from net.Conn) {
	defer from.Close()
	to, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(l.ctx, "tcp", l.to)
	if err != nil {
		return
	}
	defer to.Close()
	stop := context.AfterFunc(l.ctx, func() { _ = errors.Join(from.Close(), to.Close()) })
	defer stop()
	// What waits in the kernel would have been sent as far as the client can tell.
	_ = from.(*net.TCPConn).SetReadBuffer(4 * chunk)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(from, to)
		_ = from.(*net.TCPConn).CloseWrite()
	})
	buffer := make([]byte, chunk)
	for {
		n, err := from.Read(buffer)
		if n > 0 && l.limiter.WaitN(l.ctx, n) == nil {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_ = to.(*net.TCPConn).CloseWrite()
	back.Wait()
}
