package dockit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyevents/eventsconfig"
)

// recorder is a handler of events that keeps them.
type recorder struct{}

// recorded are the events of all recorders.
var recorded = make(chan caddy.Event, 1000)

func init() { caddy.RegisterModule(recorder{}) }

func (recorder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.recorder", New: func() caddy.Module { return new(recorder) }}
}

func (recorder) Handle(_ context.Context, e caddy.Event) error {
	if strings.HasPrefix(e.Name(), "dockit.") {
		recorded <- e
	}
	return nil
}

func (recorder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

// nextEvent waits for an event and checks its name and part of its data.
func nextEvent(t *testing.T, name string, want map[string]any) caddy.Event {
	t.Helper()
	select {
	case e := <-recorded:
		require.Equal(t, name, e.Name())
		require.NotNil(t, e.Origin())
		require.EqualValues(t, "dockit", e.Origin().CaddyModule().ID)
		for key, value := range want {
			assert.Equal(t, value, e.Data[key], "%s: %s", name, key)
		}
		return e
	case <-time.After(10 * time.Second):
		t.Fatalf("no event %s", name)
		return caddy.Event{}
	}
}

func noEvent(t *testing.T) {
	t.Helper()
	select {
	case e := <-recorded:
		t.Errorf("event %s: %v", e.Name(), e.Data)
	default:
	}
}

// TestEvents lets keys rotate, a user be locked out and the database go away,
// under a configuration and under the one after it.
func TestEvents(t *testing.T) {
	s := newSite(t)
	s.global = "events {\n on dockit.key_rotated recorder\n on dockit.locked_out recorder\n on dockit.database_away recorder\n on dockit.database_back recorder\n}"
	s.dockit = "lockout {\n failures 2\n}"
	mustLoad(t, s.String())
	noEvent(t) // the first keys replace none

	for round := range 2 {
		app := runningApp()
		var former string
		for _, key := range app.ring.Keys() {
			if key.Purpose == "shared" && key.State == "active" {
				former = key.ID
			}
		}
		_, err := app.ring.Rotate(t.Context(), "")
		require.NoError(t, err)
		nextEvent(t, EventKeyRotated, map[string]any{"key_id": former, "purpose": "shared", "service": "", "external": false, "brought": false, "suppressed": 0})

		name := []string{rootName, fmt.Sprintf("hunter%d", round)}[round]
		for range 4 { // the last two find the door locked
			req, err := http.NewRequest(http.MethodGet, s.url(tokenPath), nil)
			require.NoError(t, err)
			req.SetBasicAuth(name, fmt.Sprintf("wrong-password-%d", time.Now().UnixNano()))
			resp, err := newClient(t).Do(req)
			require.NoError(t, err)
			resp.Body.Close()
		}
		known := name
		if name != rootName {
			known = ""
		}
		locked := nextEvent(t, EventLockedOut, map[string]any{"username": known, "network": "127.0.0.1/32", "failures": 2})
		until, err := time.Parse(time.RFC3339, locked.Data["until"].(string))
		require.NoError(t, err, "until %v", locked.Data["until"])
		assert.GreaterOrEqual(t, time.Until(until), 14*time.Minute, "until %v", locked.Data["until"])
		assert.NotContains(t, fmt.Sprint(locked.Data), "hunter", "what was typed in is in %v", locked.Data)
		assert.NotContains(t, fmt.Sprint(locked.Data), "wrong-password", "what was typed in is in %v", locked.Data)

		announceDatabase(errors.New("user:hunter2@tcp(db)"), 0)
		e := nextEvent(t, EventDatabaseAway, nil)
		assert.NotContains(t, fmt.Sprint(e.Data), "hunter2", "%v", e.Data)
		announceDatabase(nil, 3*time.Second)
		nextEvent(t, EventDatabaseBack, map[string]any{"away_seconds": 3.0})
		mustLoad(t, s.String())
	}
	noEvent(t)
}

// TestEventsAreBounded floods the announcer: handlers run programs.
func TestEventsAreBounded(t *testing.T) {
	a := &announcer{queue: make(chan occurrence, announcementQueue), limits: make(map[string]*announcementLimit)}
	for range 10_000 {
		a.announce(EventLockedOut, map[string]any{})
	}
	n := len(a.queue)
	assert.GreaterOrEqual(t, n, announcementBurst)
	assert.LessOrEqual(t, n, announcementBurst+1)
	assert.GreaterOrEqual(t, a.limits[EventLockedOut].suppressed, 9_900, "are told as left out")
	// A handler that heard that the database is away hears that it is back.
	for range 1_000 {
		a.announce(EventDatabaseAway, map[string]any{})
		a.announce(EventDatabaseBack, map[string]any{})
	}
	away, last := 0, ""
	for len(a.queue) > 0 {
		if e := <-a.queue; e.name != EventLockedOut {
			if last = e.name; last == EventDatabaseAway {
				away++
			} else {
				away--
			}
		}
	}
	assert.Zero(t, away)
	assert.Equal(t, EventDatabaseBack, last)
}
