package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/trust"
)

// puller is somebody who asks for tokens all the time.
type puller struct {
	username, password string
}

const (
	pulled = "team/app"
	// pause between two requests of one puller at one Dockit.
	pause = 40 * time.Millisecond
)

// load are token requests at every Dockit. Its counters begin anew with each phase.
type load struct {
	stop    context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	counts map[*member]*counts
}

type counts struct {
	issued, failed int
	took           []time.Duration
	failures       []string
}

// addPullers makes users with passwords, robots with access tokens, and lets the anonymous pull.
func (s *stack) addPullers(t *testing.T) []puller {
	t.Helper()
	admin := s.dockits[0].admin
	pullers := []puller{{}} // the anonymous
	admin.require(t, http.MethodPost, "/users/anonymous/permissions", pullOf(pulled), nil)
	for i := range 2 {
		p := puller{fmt.Sprintf("person%d", i), rand.Text()}
		admin.require(t, http.MethodPost, "/users", map[string]any{"name": p.username, "password": p.password}, nil)
		pullers = append(pullers, p)
	}
	for i := range 3 {
		p := puller{username: fmt.Sprintf("robot%d", i)}
		admin.addRobot(t, p.username)
		p.password = admin.accessToken(t, p.username)
		pullers = append(pullers, p)
	}
	return pullers
}

// startLoad asks for tokens until the test ends.
func (s *stack) startLoad(t *testing.T, pullers []puller) *load {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l := &load{stop: stop}
	l.next()
	for _, m := range s.dockits {
		for _, p := range pullers {
			// Everybody was there before anything goes wrong.
			_, err := m.pull(ctx, s.trust, p, pulled)
			require.NoError(t, err)
			l.running.Go(func() {
				for ctx.Err() == nil {
					took, err := m.pull(ctx, s.trust, p, pulled)
					if ctx.Err() == nil {
						l.count(m, p, took, err)
					}
					time.Sleep(pause)
				}
			})
		}
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.stop()
	l.running.Wait()
}

// next begins to count anew and returns what was counted.
func (l *load) next() map[*member]*counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	counted := l.counts
	l.counts = map[*member]*counts{}
	return counted
}

func (l *load) count(m *member, p puller, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[m]
	if c == nil {
		c = &counts{}
		l.counts[m] = c
	}
	c.took = append(c.took, took)
	if err == nil {
		c.issued++
		return
	}
	c.failed++
	if len(c.failures) < 3 {
		c.failures = append(c.failures, fmt.Sprintf("%q after %s: %v", p.username, took, err))
	}
}

// requireAllIssued ends a phase, tells what was counted in it, and requires that every token was issued.
func (l *load) requireAllIssued(t *testing.T, s *stack, phase string) {
	t.Helper()
	counted := l.next()
	for i, m := range s.dockits {
		c := counted[m]
		if !assert.NotNil(t, c, "%s: Dockit %d answered nothing", phase, i+1) {
			continue
		}
		slices.Sort(c.took)
		t.Logf("%s: Dockit %d: tokens issued %d, failed %d; median %s, p99 %s, longest %s", phase, i+1, c.issued, c.failed,
			c.took[len(c.took)/2].Round(10*time.Microsecond), c.took[len(c.took)*99/100].Round(10*time.Microsecond), c.took[len(c.took)-1].Round(time.Millisecond))
		for _, failure := range c.failures {
			t.Errorf("%s: Dockit %d refused %s", phase, i+1, failure)
		}
	}
}

// pull asks for a token and checks it as the registry does.
func (m *member) pull(ctx context.Context, bundle *trust.Bundle, p puller, repository string) (time.Duration, error) {
	began := time.Now()
	a, err := call.Caller{Base: m.URL, Username: p.username, Password: p.password}.Send(ctx, http.MethodGet,
		"/v2/token?service="+service+"&scope=repository:"+repository+":pull", nil)
	took := time.Since(began)
	if err != nil {
		return took, err
	}
	if !a.OK() {
		return took, fmt.Errorf("%s", a)
	}
	var issued struct{ Token string }
	if err := json.Unmarshal(a.Body, &issued); err != nil {
		return took, err
	}
	return took, bundle.Verify(issued.Token, repository)
}

// mayPull reports whether somebody gets a token with the right to pull.
func (m *member) mayPull(ctx context.Context, t *testing.T, bundle *trust.Bundle, p puller, repository string) bool {
	_, err := m.pull(ctx, bundle, p, repository)
	if err != nil && !errors.Is(err, trust.ErrNotAllowed) {
		t.Logf("%s: %v", m, err)
	}
	return err == nil
}
