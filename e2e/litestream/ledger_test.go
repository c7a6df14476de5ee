package litestream

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// change is a robot that was made, or a right that it was given.
type change struct {
	robot, right string
	// began and ended are when it was asked for and acknowledged.
	began, ended time.Time
	acknowledged bool
}

// ledger is every change that was asked for.
type ledger struct {
	mu      sync.Mutex
	changes []change
	stop    context.CancelFunc
	writers sync.WaitGroup
}

// write makes changes from several sides until it is ended or the server is gone.
func (l *ledger) write(ctx context.Context, m *machine, round string, writers int) {
	ctx, l.stop = context.WithCancel(ctx)
	for w := range writers {
		l.writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				robot := fmt.Sprintf("w%s-%d-%d", round, w, n)
				right := "repository:" + robot + ":pull"
				if !l.make(ctx, m, change{robot: robot}, "/robots", map[string]string{"name": robot}) ||
					!l.make(ctx, m, change{robot: robot, right: right}, "/robots/"+robot+"/permissions", map[string]string{"permission": right}) {
					return
				}
			}
		})
	}
}

func (l *ledger) make(ctx context.Context, m *machine, c change, path string, body any) bool {
	c.began = time.Now()
	// What is under way is let end: else nobody knows what became of it.
	a, err := m.admin.Send(context.WithoutCancel(ctx), http.MethodPost, api+path, body)
	c.ended, c.acknowledged = time.Now(), err == nil && a.OK()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = append(l.changes, c)
	return c.acknowledged
}

func (l *ledger) end() {
	l.stop()
	l.writers.Wait()
}

func (l *ledger) all() []change {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.changes)
}

// lost are the acknowledged changes that are not there.
func (l *ledger) lost(t *testing.T, m *machine) []change {
	t.Helper()
	there := m.rights(t)
	var lost, kept []change
	for _, c := range l.all() {
		rights, made := there[c.robot]
		switch {
		case made && (c.right == "" || slices.Contains(rights, c.right)):
			kept = append(kept, c)
		case c.acknowledged:
			lost = append(lost, c)
		}
	}
	// What is there is everything up to one moment: nothing is missing that came before something that is there.
	for _, gone := range lost {
		for _, c := range kept {
			require.False(t, gone.ended.Before(c.began), "%v is gone, and %v, which came later, is there", gone, c)
		}
	}
	return lost
}

// took is the median of how long it took to acknowledge a change.
func (l *ledger) took() time.Duration {
	var all []time.Duration
	for _, c := range l.all() {
		if c.acknowledged {
			all = append(all, c.ended.Sub(c.began))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func (l *ledger) acknowledged() (n int) {
	for _, c := range l.all() {
		if c.acknowledged {
			n++
		}
	}
	return n
}

// rights are all robots with what they may do.
func (m *machine) rights(t *testing.T) map[string][]string {
	t.Helper()
	a, err := m.admin.Send(t.Context(), http.MethodGet, api+"/state?format=json", nil)
	require.NoError(t, err)
	require.Truef(t, a.OK(), "export: %s", a)
	var state struct {
		Robots []struct {
			Name        string
			Permissions []string
		}
	}
	require.NoError(t, json.Unmarshal(a.Body, &state))
	rights := map[string][]string{}
	for _, r := range state.Robots {
		rights[r.Name] = r.Permissions
	}
	return rights
}
