package connections

import (
	"context"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// freshFor is how long a connection without a request is waited for, as Go's
// server does when it stops.
const freshFor = 5 * time.Second

// Handover lets the HTTP servers of one configuration go on to the next without
// a connection being lost.
//
// A server that stops answers no request that it has not begun with: who
// connected and was accepted just before would get nothing. So they stop to take
// connections first, the next configuration takes them, and those that were
// taken come to their request before the servers stop.
type Handover struct {
	mu        sync.Mutex
	listeners []*Listener
	// fresh are the connections that had no request yet.
	fresh map[net.Conn]*freshConnection
	// began is told when a connection is no longer fresh.
	began chan struct{}
}

// NewHandover makes one whose servers call [Handover.Accepted], [Handover.Follow] and,
// for each request, [HasBegun].
func NewHandover() *Handover {
	return &Handover{fresh: make(map[net.Conn]*freshConnection), began: make(chan struct{}, 1)}
}

// Add adds a listener of these servers.
func (h *Handover) Add(l *Listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listeners = append(h.listeners, l)
}

// HandOver lets the next configuration take the connections from here on, and
// returns when each that was taken has come to its request, or left, or kept
// clients waiting for too long. When no listener comes next, it does nothing.
func (h *Handover) HandOver() {
	late := time.NewTimer(freshFor)
	defer late.Stop()
	h.mu.Lock()
	listeners := h.listeners
	h.mu.Unlock()
	var handed []*Listener
	for _, l := range listeners {
		if l.hasSuccessor() {
			_ = l.Close() // never the last one
			handed = append(handed, l)
		}
	}
	if len(handed) == 0 {
		return
	}
	for _, l := range handed {
		select {
		case <-l.left:
		case <-late.C:
			return
		}
	}
	for {
		wait := h.WaitFor()
		if wait <= 0 {
			return
		}
		overdue := time.NewTimer(wait)
		select {
		case <-h.began:
			overdue.Stop()
		case <-overdue.C:
		case <-late.C:
			overdue.Stop()
			return
		}
	}
}

// WaitFor is how long the youngest of the fresh connections is still waited for.
func (h *Handover) WaitFor() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	var longest time.Duration
	for _, f := range h.fresh {
		longest = max(longest, freshFor-time.Since(f.accepted))
	}
	return longest
}

// freshConnection is one that had no request yet.
type freshConnection struct {
	conn     net.Conn
	accepted time.Time
	handover *Handover
	over     atomic.Bool
}

type freshConnectionKey struct{}

// Accepted is what a server calls for each connection, before it serves it; as
// [http.Server.ConnContext].
func (h *Handover) Accepted(ctx context.Context, conn net.Conn) context.Context {
	if !reflect.ValueOf(conn).Comparable() {
		return ctx
	}
	f := &freshConnection{conn: conn, accepted: time.Now(), handover: h}
	h.mu.Lock()
	h.fresh[conn] = f
	h.mu.Unlock()
	return context.WithValue(ctx, freshConnectionKey{}, f)
}

// Follow is what a server calls when the state of a connection changes; as
// [http.Server.ConnState].
func (h *Handover) Follow(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked || !reflect.ValueOf(conn).Comparable() {
		return
	}
	h.mu.Lock()
	f := h.fresh[conn]
	h.mu.Unlock()
	if f != nil {
		f.end()
	}
}

// HasBegun notes that the server answers a request: it does so to its end.
func HasBegun(r *http.Request) {
	if f, ok := r.Context().Value(freshConnectionKey{}).(*freshConnection); ok && !f.over.Load() {
		f.end()
	}
}

func (f *freshConnection) end() {
	if f.over.Swap(true) {
		return
	}
	h := f.handover
	h.mu.Lock()
	delete(h.fresh, f.conn)
	h.mu.Unlock()
	select {
	case h.began <- struct{}{}:
	default: // it looks at all of them anyway
	}
}
