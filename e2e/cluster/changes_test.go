package cluster

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/call"
)

const (
	// writersPerDockit is how many make changes at the same time at one Dockit.
	writersPerDockit = 2
	// shared is a robot that all of them change.
	shared = "shared"
)

// outcome is what a writer knows of a change.
type outcome string

const (
	acknowledged outcome = "acknowledged"
	// refused changes must not be there.
	refused outcome = "refused"
	// unknown changes may be there: the answer says so, or there was none.
	unknown outcome = "unknown"
)

// change is one that a writer asked for.
type change struct {
	action  string // as the audit calls it
	robot   string
	right   string // of a grant
	outcome outcome
}

func (c change) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s robot:%s %s", c.action, c.robot, c.right))
}

// ledger is every change that was asked for.
type ledger struct {
	stop    context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	changes  []change
	phase    map[*member]map[outcome]int
	reasons  map[string]int
	longest  map[outcome]time.Duration
	surprise []string
}

// startChanges makes changes at every Dockit until the ledger is closed.
func (s *stack) startChanges(t *testing.T) *ledger {
	t.Helper()
	s.dockits[0].admin.addRobot(t, shared)
	ctx, stop := context.WithCancel(context.Background())
	l := &ledger{stop: stop}
	l.next()
	for i, m := range s.dockits {
		for w := range writersPerDockit {
			l.running.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					l.round(ctx, m, fmt.Sprintf("w-%d-%d-%d", i, w, n))
				}
			})
		}
	}
	t.Cleanup(l.end)
	return l
}

func (l *ledger) end() {
	l.stop()
	l.running.Wait()
}

// round makes a robot, grants it something, grants the shared one something, and removes every third again.
func (l *ledger) round(ctx context.Context, m *member, robot string) {
	// A request that is under way is let end: else nobody knows what became of it.
	background := context.WithoutCancel(ctx)
	do := func(c change, method, path string, body any) bool {
		if ctx.Err() != nil {
			return false
		}
		began := time.Now()
		a, err := m.admin.Send(background, method, api+path, body)
		c.outcome = l.judge(c, a, err)
		l.record(m, c, a, time.Since(began))
		time.Sleep(pause / 2)
		return c.outcome == acknowledged
	}
	right := "repository:" + robot + ":pull"
	if !do(change{action: "create", robot: robot}, http.MethodPost, "/robots", map[string]any{"name": robot}) {
		return
	}
	do(change{action: "grant", robot: robot, right: right}, http.MethodPost, "/robots/"+robot+"/permissions", map[string]string{"permission": right})
	do(change{action: "grant", robot: shared, right: right}, http.MethodPost, "/robots/"+shared+"/permissions", map[string]string{"permission": right})
	if strings.HasSuffix(robot, "3") {
		do(change{action: "remove", robot: robot}, http.MethodDelete, "/robots/"+robot, nil)
	}
}

// judge says what an answer means. Anything but a success and a clear refusal is a surprise.
func (l *ledger) judge(c change, a call.Answer, err error) outcome {
	p := a.Problem()
	switch {
	case err == nil && a.OK():
		return acknowledged
	case err == nil && a.Status == http.StatusServiceUnavailable && strings.Contains(p.Detail, "not known whether the change was made"):
		return unknown
	case err == nil && a.Status == http.StatusServiceUnavailable && p.Detail != "":
		return refused
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.surprise = append(l.surprise, fmt.Sprintf("%s: %s, %v", c, a, err))
	return unknown
}

func (l *ledger) record(m *member, c change, a call.Answer, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = append(l.changes, c)
	if l.phase[m] == nil {
		l.phase[m] = map[outcome]int{}
	}
	l.phase[m][c.outcome]++
	l.longest[c.outcome] = max(l.longest[c.outcome], took)
	if c.outcome != acknowledged {
		l.reasons[a.String()]++
	}
}

// next begins to count anew.
func (l *ledger) next() (phase map[*member]map[outcome]int, longest map[outcome]time.Duration, reasons map[string]int, surprise []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	phase, longest, reasons, surprise = l.phase, l.longest, l.reasons, l.surprise
	l.phase, l.longest, l.reasons, l.surprise = map[*member]map[outcome]int{}, map[outcome]time.Duration{}, map[string]int{}, nil
	return phase, longest, reasons, surprise
}

// tell ends a phase, and says what was counted in it.
func (l *ledger) tell(t *testing.T, s *stack, phase string) {
	t.Helper()
	counted, longest, reasons, surprise := l.next()
	for i, m := range s.dockits {
		t.Logf("%s: Dockit %d: changes acknowledged %d, refused %d, unknown %d", phase, i+1,
			counted[m][acknowledged], counted[m][refused], counted[m][unknown])
	}
	for _, o := range slices.Sorted(maps.Keys(longest)) {
		t.Logf("%s: the longest that a change took to be %s: %s", phase, o, longest[o].Round(time.Millisecond))
	}
	for reason, times := range reasons {
		t.Logf("%s: %d times: %s", phase, times, reason)
	}
	for _, one := range surprise[:min(len(surprise), 5)] {
		t.Errorf("%s: a change is neither made nor clearly refused: %s", phase, one)
	}
}

// awaitOutcome waits until a Dockit's changes end like that.
func (l *ledger) awaitOutcome(t *testing.T, m *member, o outcome, times int) {
	t.Helper()
	l.mu.Lock()
	before := l.phase[m][o]
	l.mu.Unlock()
	eventually(t, time.Minute, func(context.Context) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.phase[m][o] >= before+times
	}, "%d changes of %s are %s", times, m, o)
}

// requireNothingLost compares what is there with what was acknowledged and refused.
func (l *ledger) requireNothingLost(t *testing.T, m *member) {
	t.Helper()
	exported, _ := m.admin.state(t)
	robots := exported.robots()
	type key struct{ action, robot, right string }
	written := map[key]int{}
	for _, e := range m.admin.audit(t) {
		k := key{action: e.Action, robot: strings.TrimPrefix(e.Subject, "robot:")}
		if e.Action == "grant" {
			for right := range strings.SplitSeq(string(e.After), `"`) {
				if strings.HasPrefix(right, "repository:") {
					k.right = right
				}
			}
		}
		written[k]++
	}
	removed := map[string]bool{}
	for _, c := range l.changes {
		if c.action == "remove" && c.outcome != refused {
			removed[c.robot] = true
		}
	}
	counted := map[outcome]int{}
	unknownMade, lost, kept := 0, 0, 0
	for _, c := range l.changes {
		counted[c.outcome]++
		permissions, there := robots[c.robot]
		made := there
		switch c.action {
		case "grant":
			made = slices.Contains(permissions, c.right)
		case "remove":
			made = !there
		}
		inAudit := written[key{c.action, c.robot, c.right}]
		assert.LessOrEqual(t, inAudit, 1, "%s is %d times in the audit", c, inAudit)
		if removed[c.robot] && c.action != "remove" {
			made = inAudit == 1 // what it had is gone with the robot
		}
		assert.Equal(t, made, inAudit == 1, "%s: what is there and what the audit says", c)
		switch {
		case c.outcome == acknowledged && !made:
			lost++
			t.Errorf("acknowledged and lost: %s", c)
		case c.outcome == refused && made:
			kept++
			t.Errorf("refused and made: %s", c)
		case c.outcome == unknown && made:
			unknownMade++
		}
	}
	t.Logf("in all: changes acknowledged %d, lost %d; refused %d, made all the same %d; unknown %d, of which made %d",
		counted[acknowledged], lost, counted[refused], kept, counted[unknown], unknownMade)
	require.NotZero(t, counted[acknowledged])
}
