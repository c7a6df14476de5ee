package dockit

import (
	"context"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// freshFor is how long a connection without a request is waited for, as Go's
// server does when it stops.
const freshFor = 5 * time.Second

// handover lets the HTTP servers of one configuration go on to the next without
// a connection being lost.
//
// A server that stops answers no request that it has not begun with: who
// connected and was accepted just before would get nothing. So they stop to take
// connections first, the next configuration takes them, and those that were
// taken come to their request before the servers stop.
type handover struct {
	mu        sync.Mutex
	listeners []*keptListener
	// fresh are the connections that had no request yet.
	fresh map[net.Conn]*freshConnection
	// began is told when a connection is no longer fresh.
	began chan struct{}
}

// handovers are those of the configurations that are there, by their HTTP app.
var handovers sync.Map

// handoverOf finds the one whose servers listen with this context, or nil.
func handoverOf(ctx context.Context) *handover {
	whole, ok := ctx.(caddy.Context)
	if !ok {
		return nil
	}
	app := httpAppOf(whole)
	if app == nil {
		return nil
	}
	found, _ := handovers.Load(app)
	h, _ := found.(*handover)
	return h
}

// httpAppOf is the HTTP app that a module belongs to, or nil.
func httpAppOf(ctx caddy.Context) *caddyhttp.App {
	for _, module := range ctx.Modules() {
		if app, ok := module.(*caddyhttp.App); ok {
			return app
		}
	}
	return nil
}

// keepListeners makes the sockets of all HTTP servers of a configuration outlive
// it. A shutdown_delay needs Caddy's own count of who listens where: with it,
// everything stays as Caddy does it.
func keepListeners(ctx caddy.Context, app *caddyhttp.App) error {
	if app.ShutdownDelay > 0 {
		return nil
	}
	events, err := ctx.App("events")
	if err != nil {
		return err
	}
	h := &handover{fresh: make(map[net.Conn]*freshConnection), began: make(chan struct{}, 1)}
	if err := events.(*caddyevents.App).On("stopping", onEvent(h.handOver)); err != nil {
		return err
	}
	handovers.Store(app, h)
	for _, server := range app.Servers {
		for i, address := range server.Listen {
			// Caddy replaces placeholders in those of a server that comes later.
			if address, err := caddy.NewReplacer().ReplaceOrErr(address, true, true); err == nil {
				server.Listen[i] = keptAddress(address, len(server.TLSConnPolicies) > 0)
			}
		}
		server.RegisterConnContext(h.accepted)
		server.RegisterConnState(h.follow)
	}
	return nil
}

func (h *handover) listens(l *keptListener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listeners = append(h.listeners, l)
}

// handOver lets the next configuration take the connections from here on, and
// returns when each that was taken has come to its request, or left, or kept
// everybody waiting for too long. When nobody comes next, it does nothing.
func (h *handover) handOver() {
	if caddy.Exiting() {
		return
	}
	late := time.NewTimer(freshFor)
	defer late.Stop()
	h.mu.Lock()
	listeners := h.listeners
	h.mu.Unlock()
	var handed []*keptListener
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
		wait := h.waitFor()
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

// waitFor is how long the youngest of the fresh connections is still waited for.
func (h *handover) waitFor() time.Duration {
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
	handover *handover
	over     atomic.Bool
}

type freshConnectionKey struct{}

// accepted is what a server calls for each connection, before it serves it.
func (h *handover) accepted(ctx context.Context, conn net.Conn) context.Context {
	if !reflect.ValueOf(conn).Comparable() {
		return ctx
	}
	f := &freshConnection{conn: conn, accepted: time.Now(), handover: h}
	h.mu.Lock()
	h.fresh[conn] = f
	h.mu.Unlock()
	return context.WithValue(ctx, freshConnectionKey{}, f)
}

// follow is what a server calls when the state of a connection changes.
func (h *handover) follow(conn net.Conn, state http.ConnState) {
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

// hasBegun notes that the server answers a request: it does so to its end.
func hasBegun(r *http.Request) {
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
