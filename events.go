package dockit

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/pki"
)

// Events that the app emits, for whatever the option events of a Caddyfile
// binds to them. Their data never holds a secret.
const (
	// EventKeyRotated has key_id, purpose, service and external of the key
	// that was replaced, and brought, which says the same by its former name.
	EventKeyRotated = "dockit.key_rotated"
	// EventLockedOut has username (empty for a name that no user has), network,
	// failures and until, a time as in RFC 3339.
	EventLockedOut = "dockit.locked_out"
	// EventDatabaseAway has no data: what went wrong is in the log.
	EventDatabaseAway = "dockit.database_away"
	// EventDatabaseBack has away_seconds.
	EventDatabaseBack = "dockit.database_back"
)

// Bounds of what is announced, for each event: handlers run programs.
const (
	announcementBurst = 10
	announcementPause = 6 * time.Second
	announcementQueue = 100
)

// announcer emits the events of one configuration, one after the other, while
// it runs.
type announcer struct {
	queue chan occurrence

	mu     sync.Mutex
	limits map[string]*announcementLimit
	away   bool // the last that was said of the database
}

type occurrence struct {
	name string
	data map[string]any
}

// announcementLimit counts what is left out, for the next event to tell.
type announcementLimit struct {
	*rate.Limiter
	suppressed int
}

// newAnnouncer begins to emit when every app has started, and ends with ctx.
func newAnnouncer(ctx caddy.Context) (*announcer, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, err
	}
	events := app.(*caddyevents.App)
	a := &announcer{queue: make(chan occurrence, announcementQueue), limits: make(map[string]*announcementLimit)}
	return a, events.On("started", onEvent(func() { go a.run(ctx, events) }))
}

// run emits. Handlers that take long make other handlers wait, and no request.
func (a *announcer) run(ctx caddy.Context, events *caddyevents.App) {
	for {
		select {
		case <-ctx.Done():
			return
		case next := <-a.queue:
			events.Emit(ctx, next.name, next.data)
		}
	}
}

// announce hands an event over, unless there were too many of its name lately.
func (a *announcer) announce(name string, data map[string]any) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	limit := a.limits[name]
	if limit == nil {
		limit = &announcementLimit{Limiter: rate.NewLimiter(rate.Every(announcementPause), announcementBurst)}
		a.limits[name] = limit
	}
	allowed := limit.Allow()
	if name == EventDatabaseBack {
		allowed = a.away // that is never kept from who heard that it is away
	}
	if !allowed {
		limit.suppressed++
		return
	}
	data["suppressed"] = limit.suppressed
	select {
	case a.queue <- occurrence{name, data}:
		limit.suppressed = 0
	default:
		limit.suppressed++
		return
	}
	switch name {
	case EventDatabaseAway:
		a.away = true
	case EventDatabaseBack:
		a.away = false
	}
}

// onEvent is told of one of Caddy's own events, before Caddy goes on.
type onEvent func()

// Handle implements [caddyevents.Handler].
func (f onEvent) Handle(context.Context, caddy.Event) error {
	f()
	return nil
}

// announceReplaced announces a key that the ring of the app has replaced.
func (a *App) announceReplaced(key pki.Replaced) {
	a.announcer.announce(EventKeyRotated, map[string]any{
		"key_id": key.KeyID, "purpose": string(key.Purpose), "service": key.Service, "external": key.External, "brought": key.External,
	})
}

// announceLockout and announceDatabase are told by what outlives a
// configuration: the one that runs announces it.
func announceLockout(l auth.Lockout) {
	announceByRunning(EventLockedOut, map[string]any{
		"username": l.Username, "network": l.Network, "failures": l.Failures, "until": l.Until.UTC().Format(time.RFC3339),
	})
}

// noticeLockout is told of each lockout on this node.
func noticeLockout(l auth.Lockout) {
	loginMetrics.LockedOut()
	announceLockout(l)
}

func announceDatabase(away error, after time.Duration) {
	if away != nil {
		announceByRunning(EventDatabaseAway, map[string]any{})
		return
	}
	announceByRunning(EventDatabaseBack, map[string]any{"away_seconds": after.Round(time.Second).Seconds()})
}

func announceByRunning(name string, data map[string]any) {
	if app := runningApp(); app != nil {
		app.announcer.announce(name, data)
	}
}

// Interface guard
var _ caddyevents.Handler = onEvent(nil)
