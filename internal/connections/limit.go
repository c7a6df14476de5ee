// Package connections bounds the connections that a server has open, hands them on
// from one configuration to the next, and writes nothing to those that are gone.
package connections

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"runtime"
	runtimemetrics "runtime/metrics"
	"sync"
	"time"
)

// maxConnections is the default of a [Limit].
const maxConnections = 4096

const (
	// maxBusy is how many goroutines there may be, besides those of connections
	// without a request, and maxRunnable how many of them may wait for a processor,
	// before new connections wait a moment: the process is behind, and the listener that is
	// taken in meanwhile costs memory and gets nothing.
	maxBusy     = 1400
	maxRunnable = 200
	// busyPause is how long it is until the next look, at most busyPauses times:
	// what goes on may be long, as that of a large registry.
	busyPause  = 2 * time.Millisecond
	busyPauses = 5
)

// Limit bounds how many connections a server has open. One more closes the one
// that has waited the longest for a request, so that connections which no client uses
// lock no client out; while every one has a request, new ones wait. It stands before
// TLS. The server must call [Limit.Follow] and [Limit.Accepted].
type Limit struct {
	most  int
	mu    sync.Mutex
	freed *sync.Cond
	// open holds the connections by the address of their other end: whatever
	// Caddy and TLS wrap around one hands on the very same value.
	open map[net.Addr]*connection
	// waiting are the connections without a request, the longest waiting first.
	waiting *list.List
}

// NewLimit makes a limit of so many connections, or of the default; see [Most].
func NewLimit(most int) *Limit {
	l := &Limit{most: Most(most), open: make(map[net.Addr]*connection), waiting: list.New()}
	l.freed = sync.NewCond(&l.mu)
	return l
}

// Most is how many connections a limit of so many lets be open: without a number,
// 4096, or half of the files that the process may open when that is fewer.
func Most(most int) int {
	if most > 0 {
		return most
	}
	return min(maxConnections, OpenFiles()/2)
}

// Listener is a listener whose connections count. It is one of a server's; all of
// them share the limit.
func (l *Limit) Listener(listener net.Listener) net.Listener {
	return &limitedListener{Listener: listener, limit: l}
}

// connection is one that is open.
type connection struct {
	net.Conn
	limit *Limit
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

// HasRequest notes that the headers of a request have come: its connection is
// not closed for another one.
func HasRequest(r *http.Request) {
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	if c == nil {
		return
	}
	c.limit.mu.Lock()
	defer c.limit.mu.Unlock()
	c.limit.unwait(c)
}

// Accepted is what a server calls for each connection, before it serves it; as
// [http.Server.ConnContext].
func (l *Limit) Accepted(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, l.find(c))
}

func (l *Limit) find(c net.Conn) *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[c.RemoteAddr()]
}

// Follow is what a server calls when the state of a connection changes; as
// [http.Server.ConnState]. It keeps the order of who waits: one whose first bytes have
// come is the last to be closed, and still can be, since their rest may never come.
func (l *Limit) Follow(conn net.Conn, state http.ConnState) {
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

func (l *Limit) unwait(c *connection) {
	if c.place != nil {
		l.waiting.Remove(c.place)
		c.place = nil
	}
}

func (l *Limit) remove(c *connection) {
	l.unwait(c)
	if address := c.RemoteAddr(); l.open[address] == c {
		delete(l.open, address)
		l.freed.Broadcast()
	}
}

// pause lets requests come to an end before there are more.
func (l *Limit) pause() {
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
	limit  *Limit
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
	for len(l.limit.open) >= l.limit.most && !l.closed {
		oldest := l.limit.waiting.Front()
		if oldest == nil {
			l.limit.freed.Wait()
			continue
		}
		victim := oldest.Value.(*connection)
		l.limit.remove(victim)
		_ = victim.Conn.Close() // its other end sees it
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
