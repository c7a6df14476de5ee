package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/e2e/internal/build"
	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/fault"
	"github.com/dockit-registry/dockit/e2e/internal/mariadb"
)

const (
	// shortFaults is how long the line is bad when nobody asks for longer.
	shortFaults = 10 * time.Second
	// soon is how soon a change counts everywhere once the database answers.
	soon = 2 * time.Second
	// guarded is what rights are taken away for: nobody else has any for it.
	guarded = "guarded/app"
)

// TestFaults has a bad line between each of two Dockits and a MariaDB, in ever other weather, while tokens are asked for
// and changes are made, and in the end looks for what was acknowledged. In between it looks how soon a change of rights
// counts once the line is good again.
//
// DOCKIT_TEST_FAULTS is how long, such as 5m, and DOCKIT_TEST_FAULTS_SEED the seed of a run before.
func TestFaults(t *testing.T) {
	length, seed := shortFaults, mathrand.Uint64()
	if s := os.Getenv("DOCKIT_TEST_FAULTS"); s != "" {
		var err error
		length, err = time.ParseDuration(s)
		require.NoErrorf(t, err, "DOCKIT_TEST_FAULTS=%q: write a duration, such as 5m", s)
	}
	if s := os.Getenv("DOCKIT_TEST_FAULTS_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoErrorf(t, err, "DOCKIT_TEST_FAULTS_SEED=%q: write a number", s)
	}
	t.Logf("seed %d (DOCKIT_TEST_FAULTS_SEED), for %s", seed, length)
	b := startBadLine(t, seed)
	pullers := b.addPullers(t)
	b.settle(t)
	tokens := b.startLoad(t, pullers)
	changes := b.startChanges(t)

	for round, began := 0, time.Now(); time.Since(began) < length; round++ {
		b.round(t, round)
	}
	b.requireReady(t)
	changes.end()
	tokens.end()
	b.tell(t)
	tokens.requireAllIssued(t, b.stack, "in any weather")
	changes.tell(t, b.stack, "in any weather")
	for _, m := range b.dockits {
		changes.requireNothingLost(t, m)
		out, err := m.Admin().Run(t.Context(), "rbac", "audit", "verify")
		require.NoError(t, err)
		t.Logf("%s: %s", m, out)
	}
	_, first := b.dockits[0].admin.state(t)
	_, second := b.dockits[1].admin.state(t)
	assert.Equal(t, first, second)
	assert.Equal(t, b.trust.PEM, certificates(t, b.dockits[0]))
	assert.Equal(t, b.trust.PEM, certificates(t, b.dockits[1]))
}

// badLine is two Dockits, each with a line of its own to one MariaDB.
type badLine struct {
	*stack
	proxies []*fault.Proxy
	random  *mathrand.Rand
	// longest is how long it took until a change counted after the line was good again, and until both were ready.
	longestCounted, longestReady time.Duration
	rounds                       map[string]int
}

// startBadLine starts everything, with good weather.
func startBadLine(t *testing.T, seed uint64) *badLine {
	t.Helper()
	folder := t.TempDir()
	binary, err := build.Dockit(t.Context(), folder)
	require.NoError(t, err)
	server := startMariaDB(t)
	b := &badLine{
		stack:  &stack{password: rand.Text(), dockits: make([]*member, 2)},
		random: mathrand.New(mathrand.NewPCG(seed, 0)),
		rounds: map[string]int{},
	}
	var both sync.WaitGroup
	errs := make([]error, len(b.dockits))
	for i := range b.dockits {
		proxy, err := fault.Listen(t.Context(), server.Address, seed+uint64(i)+1)
		require.NoError(t, err)
		t.Cleanup(proxy.Close)
		b.proxies = append(b.proxies, proxy)
		dir := filepath.Join(folder, fmt.Sprintf("node%d", i+1))
		require.NoError(t, os.Mkdir(dir, 0o700))
		both.Go(func() {
			var s *dockit.Server
			s, errs[i] = dockit.Start(t.Context(), dockit.Config{
				Binary: binary, Dir: dir, MySQL: mariadb.DSN(proxy.Address(), timeouts),
				RootUser: root, RootPassword: b.password, Args: []string{"--service", service},
			})
			if errs[i] == nil {
				b.dockits[i] = &member{Server: s, admin: caller{call.Caller{Base: s.URL, Username: root, Password: b.password}}}
			}
		})
	}
	both.Wait()
	for _, m := range b.dockits {
		if m != nil {
			m.stopAfter(t)
		}
	}
	require.NoError(t, errors.Join(errs...))
	b.trust = readTrust(t, b.dockits[0])
	return b
}

// settle waits until both Dockits have heard of every change so far: what they read from then on is not older than one
// that concerns it, and so stays in memory when the weather is bad from the beginning.
func (b *badLine) settle(t *testing.T) {
	t.Helper()
	const robot = "settled"
	here, there := b.dockits[0], b.dockits[1]
	here.admin.addRobot(t, robot)
	p := puller{robot, here.admin.accessToken(t, robot)}
	for range b.dockits {
		here.admin.grant(t, robot, guarded)
		eventually(t, soon, func(ctx context.Context) bool { return there.mayPull(ctx, t, b.trust, p, guarded) }, "%s may pull at %s", robot, there)
		here.admin.require(t, http.MethodDelete, "/robots/"+robot+"/permissions?permission=repository:"+guarded+":pull", nil, nil)
		eventually(t, soon, func(ctx context.Context) bool { return !there.mayPull(ctx, t, b.trust, p, guarded) }, "%s may pull no more at %s", robot, there)
		here, there = there, here
	}
}

// weathers are those that a line may have. The lines of both Dockits have one each.
var weathers = []fault.Weather{
	{Name: "good"},
	{Name: "a little of everything", Odds: 20, Faults: fault.Faults, Longest: 500 * time.Millisecond},
	{Name: "much of everything", Odds: 120, Faults: fault.Faults, Longest: 3 * time.Second},
	{Name: "slow", Odds: 500, Faults: []fault.Fault{fault.Delay, fault.Slice}, Longest: time.Second},
	{Name: "very slow", Odds: 200, Faults: []fault.Fault{fault.Delay}, Longest: 8 * time.Second},
	{Name: "cut", Odds: 100, Faults: []fault.Fault{fault.Cut, fault.HalveAndCut}},
	{Name: "stalled", Odds: 60, Faults: []fault.Fault{fault.Stall, fault.HalveAndStall}},
	{Name: "in another order", Odds: 200, Faults: []fault.Fault{fault.Reorder}, Longest: 100 * time.Millisecond},
	{Name: "silent", Silent: true},
	{Name: "away", Refuse: true},
}

// round lets somebody pull, makes the weather bad, takes the right away at one Dockit, and makes the weather good: soon
// nobody issues that token.
func (b *badLine) round(t *testing.T, number int) {
	t.Helper()
	robot := fmt.Sprintf("victim%d", number)
	here := b.dockits[b.random.IntN(len(b.dockits))]
	here.admin.addRobot(t, robot)
	p := puller{robot, here.admin.accessToken(t, robot)}
	here.admin.grant(t, robot, guarded)
	for _, m := range b.dockits {
		eventually(t, soon, func(ctx context.Context) bool { return m.mayPull(ctx, t, b.trust, p, guarded) }, "%s may pull at %s", robot, m)
	}
	for i, proxy := range b.proxies {
		w := weathers[b.random.IntN(len(weathers))]
		b.rounds[w.Name]++
		if b.dockits[i] == here && (w.Silent || w.Refuse) {
			w = weathers[0] // where something is to be changed
		}
		proxy.Set(w)
	}
	method, path := http.MethodPatch, "/robots/"+robot
	var body any = map[string]any{"disabled": true}
	if b.random.IntN(2) == 0 {
		method, path, body = http.MethodDelete, path+"/permissions?permission=repository:"+guarded+":pull", nil
	}
	bad := time.Duration(500+b.random.IntN(6000)) * time.Millisecond
	taken := make(chan time.Time, 1)
	go func() {
		// Until it is acknowledged: what was not may be there or not.
		for t.Context().Err() == nil {
			if a, err := here.admin.Send(t.Context(), method, api+path, body); err == nil && a.OK() {
				break
			}
			time.Sleep(pause)
		}
		taken <- time.Now()
	}()
	time.Sleep(bad)
	for _, proxy := range b.proxies {
		proxy.Set(weathers[0])
	}
	good := time.Now()
	var since time.Time
	select {
	case since = <-taken:
	case <-time.After(30 * time.Second):
		require.Fail(t, "a change is not acknowledged long after the line is good again")
	}
	if since.Before(good) {
		since = good
	}
	for _, m := range b.dockits {
		for {
			asked := time.Now()
			if !m.mayPull(t.Context(), t, b.trust, p, guarded) {
				b.longestCounted = max(b.longestCounted, asked.Sub(since))
				break
			}
			if asked.Sub(since) > soon {
				assert.Failf(t, "a right that was taken away is given", "%s: %s after the line was good again", m, asked.Sub(since))
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	b.requireReady(t)
	b.longestReady = max(b.longestReady, time.Since(good))
}

// tell says what happened.
func (b *badLine) tell(t *testing.T) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(b.rounds)) {
		t.Logf("weather: %s, %d times", name, b.rounds[name])
	}
	for i, proxy := range b.proxies {
		t.Logf("line of Dockit %d: %v", i+1, proxy.Tally())
	}
	t.Logf("the longest until a change counted: %s; until both were ready: %s", b.longestCounted, b.longestReady)
}
