package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/audit"
)

// notebook is a Recorder.
type notebook struct {
	mu     sync.Mutex
	events []audit.Event
	err    error
}

func (n *notebook) RecordEvents(_ context.Context, events []audit.Event) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return n.err
	}
	n.events = append(n.events, events...)
	return nil
}

// told lists what was written, as <action> <actor or subject> <address> <count>.
func (n *notebook) told(t *testing.T) []string {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	texts := []string{}
	for _, e := range n.events {
		var state refusalState
		require.NoError(t, json.Unmarshal(e.After, &state))
		text := fmt.Sprintf("%s %s%s %s %d", e.Action, e.Actor, e.Subject, e.Address, state.Count)
		if state.Others {
			text += " others"
		}
		texts = append(texts, text)
	}
	n.events = nil
	return texts
}

// fails has writing fail, or succeed again.
func (n *notebook) fails(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
}

func denied(name, address string) audit.Event {
	return audit.Event{Action: audit.LoginDenied, Actor: audit.Name("robot:" + name), Address: address}
}

func TestRefusalsAreCountedByTheMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{}
		r := NewRefusals(n, zap.NewNop())
		defer r.Close()
		assert.True(t, r.add(denied("ci", "192.0.2.1"), "192.0.2.1/32"))
		time.Sleep(refusalTick + time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"login-denied robot:ci 192.0.2.1 1"}, n.told(t), "the first is told at once")
		for range 300 {
			assert.False(t, r.add(denied("ci", "192.0.2.1"), "192.0.2.1/32"))
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		assert.Empty(t, n.told(t))
		assert.True(t, r.add(denied("ci", "2001:db8::1"), "2001:db8::/64"), "another network")
		r.add(denied("ci", "2001:db8::2"), "2001:db8::/64")
		time.Sleep(refusalTick)
		synctest.Wait()
		assert.Equal(t, []string{"login-denied robot:ci 2001:db8::/64 2"}, n.told(t))
		time.Sleep(refusalWindow)
		synctest.Wait()
		assert.Equal(t, []string{"login-denied robot:ci 192.0.2.1 300"}, n.told(t), "the rest of the minute is one entry")
		time.Sleep(3 * refusalWindow)
		synctest.Wait()
		assert.Empty(t, n.told(t))
		assert.Empty(t, r.counts, "nothing is kept of who is quiet")
	})
}

func TestRefusalsSurvive(t *testing.T) {
	for name, end := range map[string]func(n *notebook, r *Refusals){
		"a clean stop": func(_ *notebook, r *Refusals) { r.Close() },
		"a database that is away": func(n *notebook, r *Refusals) {
			n.fails(errors.New("away"))
			time.Sleep(3 * refusalWindow)
			r.add(denied("ci", "192.0.2.1"), "192.0.2.1/32")
			time.Sleep(refusalWindow)
			synctest.Wait()
			n.fails(nil)
			r.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &notebook{}
				r := NewRefusals(n, zap.NewNop())
				for range 6 {
					r.add(denied("ci", "192.0.2.1"), "192.0.2.1/32")
				}
				end(n, r)
				want := "login-denied robot:ci 192.0.2.1 6"
				if name != "a clean stop" {
					want = "login-denied robot:ci 192.0.2.1 7"
				}
				assert.Equal(t, []string{want}, n.told(t))
			})
		})
	}
}

// TestRefusalsAreBounded invents names and networks: neither makes the audit
// long, and every refusal is counted.
func TestRefusalsAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		event func(i int) (audit.Event, string)
		most  int
	}{
		"names": {func(i int) (audit.Event, string) { return denied(fmt.Sprint("n", i), "192.0.2.1"), "192.0.2.1/32" }, maxNetworkRefusals + 1},
		"networks": {func(i int) (audit.Event, string) {
			address := fmt.Sprintf("10.0.%d.%d", i>>8, i&255)
			return denied("ci", address), address + "/32"
		}, maxRefusals + 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &notebook{}
				r := NewRefusals(n, zap.NewNop())
				for i := range 5000 {
					r.add(c.event(i))
				}
				assert.LessOrEqual(t, len(r.counts), maxRefusals+1)
				r.Close()
				assert.Len(t, n.events, c.most)
				total := int64(0)
				for _, e := range n.events {
					var state refusalState
					require.NoError(t, json.Unmarshal(e.After, &state))
					total += state.Count
				}
				assert.Equal(t, int64(5000), total)
				assert.True(t, slices.ContainsFunc(n.told(t), func(s string) bool { return s[len(s)-6:] == "others" }))
			})
		})
	}
}
