package dockit

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"runtime"
	runtimemetrics "runtime/metrics"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(new(ConnectionLimit))
}

// maxConnections is the default of a [ConnectionLimit].
const maxConnections = 4096

const (
	// maxBusy is how many goroutines there may be, besides those of connections
	// without a request, and maxRunnable how many of them may wait for a processor,
	// before new connections wait a moment: the process is behind, and whoever is
	// taken in meanwhile costs memory and gets nothing.
	maxBusy     = 1400
	maxRunnable = 200
	// busyPause is how long it is until the next look, at most busyPauses times:
	// what goes on may be long, as that of a large registry.
	busyPause  = 2 * time.Millisecond
	busyPauses = 5
)

// ConnectionLimit is a listener wrapper that bounds how many connections a
// server has open. One more closes the one that has waited the longest for a
// request, so that connections which nobody uses lock nobody out; while every
// one has a request, new ones wait. It stands before the TLS wrapper.
type ConnectionLimit struct {
	// Most is how many connections may be open. Default: 4096, or half of the
	// files that the process may open when that is fewer.
	Most int `json:"most,omitempty"`

	mu    sync.Mutex
	freed *sync.Cond
	// open holds the connections by the address of their other end: whatever
	// Caddy and TLS wrap around one hands on the very same value.
	open map[net.Addr]*connection
	// waiting are the connections without a request, the longest waiting first.
	waiting *list.List
}

// CaddyModule returns the Caddy module information.
func (*ConnectionLimit) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.listeners.dockit_connections",
		New: func() caddy.Module { return new(ConnectionLimit) },
	}
}

// Provision asks the server to be told what its connections do.
func (l *ConnectionLimit) Provision(ctx caddy.Context) error {
	l.defaults()
	l.freed = sync.NewCond(&l.mu)
	l.open, l.waiting = make(map[net.Addr]*connection), list.New()
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		server.RegisterConnState(l.follow)
		server.RegisterConnContext(func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, l.find(c))
		})
	}
	return nil
}

func (l *ConnectionLimit) defaults() {
	if l.Most <= 0 {
		l.Most = min(maxConnections, maxOpenFiles()/2)
	}
}

// WrapListener implements [caddy.ListenerWrapper].
func (l *ConnectionLimit) WrapListener(listener net.Listener) net.Listener {
	return &limitedListener{Listener: listener, limit: l}
}

// connection is one that is open.
type connection struct {
	net.Conn
	limit *ConnectionLimit
	// place is that among the waiting ones; nil while there is a request.
	place *list.Element
}

// Close implements [net.Conn].
func (c *connection) Close() error {
	c.limit.mu.Lock()
	c.limit.remove(c)
	c.limit.mu.Unlock()
	return c.Conn.Close()
}

type connectionKey struct{}

// hasRequest notes that the headers of a request have come: its connection is
// not closed for another one.
func hasRequest(r *http.Request) {
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	if c == nil {
		return
	}
	c.limit.mu.Lock()
	defer c.limit.mu.Unlock()
	c.limit.unwait(c)
}

func (l *ConnectionLimit) find(c net.Conn) *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[c.RemoteAddr()]
}

// follow keeps the order of who waits. One whose first bytes have come is the
// last to be closed, and still can be: their rest may never come.
func (l *ConnectionLimit) follow(conn net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.open[conn.RemoteAddr()]
	if c == nil {
		return
	}
	switch state {
	case http.StateActive, http.StateIdle:
		l.unwait(c)
		c.place = l.waiting.PushBack(c)
		l.freed.Broadcast()
	case http.StateHijacked:
		l.unwait(c)
	case http.StateNew, http.StateClosed: // Accept and Close know
	}
}

func (l *ConnectionLimit) unwait(c *connection) {
	if c.place != nil {
		l.waiting.Remove(c.place)
		c.place = nil
	}
}

func (l *ConnectionLimit) remove(c *connection) {
	l.unwait(c)
	if address := c.RemoteAddr(); l.open[address] == c {
		delete(l.open, address)
		l.freed.Broadcast()
	}
}

// pause lets requests come to an end before there are more.
func (l *ConnectionLimit) pause() {
	for range busyPauses {
		l.mu.Lock()
		busy := runtime.NumGoroutine() - l.waiting.Len()
		l.mu.Unlock()
		if busy < maxBusy || runnable() < maxRunnable {
			return
		}
		time.Sleep(busyPause)
	}
}

// runnable is how many goroutines wait for a processor.
func runnable() uint64 {
	sample := []runtimemetrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}
	runtimemetrics.Read(sample)
	if sample[0].Value.Kind() != runtimemetrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// limitedListener is one listener of a server that is limited.
type limitedListener struct {
	net.Listener
	limit  *ConnectionLimit
	closed bool // under the lock of limit
}

// Accept implements [net.Listener].
func (l *limitedListener) Accept() (net.Conn, error) {
	l.limit.pause()
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: conn, limit: l.limit}
	l.limit.mu.Lock()
	for len(l.limit.open) >= l.limit.Most && !l.closed {
		oldest := l.limit.waiting.Front()
		if oldest == nil {
			l.limit.freed.Wait()
			continue
		}
		victim := oldest.Value.(*connection)
		l.limit.remove(victim)
		_ = victim.Conn.Close() // nobody is told: its other end sees it
	}
	if l.closed {
		l.limit.mu.Unlock()
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	l.limit.open[c.RemoteAddr()] = c
	c.place = l.limit.waiting.PushBack(c)
	l.limit.mu.Unlock()
	return c, nil
}

// Close implements [net.Listener].
func (l *limitedListener) Close() error {
	l.limit.mu.Lock()
	l.closed = true
	l.limit.freed.Broadcast()
	l.limit.mu.Unlock()
	return l.Listener.Close()
}

// Interface guards
var (
	_ caddy.Provisioner     = (*ConnectionLimit)(nil)
	_ caddy.ListenerWrapper = (*ConnectionLimit)(nil)
)
