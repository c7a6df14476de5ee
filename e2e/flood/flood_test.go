package flood

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// A flood may cost a server so much memory and so many goroutines at most, however long it lasts.
	maxGrowth     = 80 << 20
	maxGoroutines = 2000
	// maxLeft is how much of that is not given back within a minute at most.
	maxLeft = 24 << 20
	// littleMemory is all that a small container has.
	littleMemory = 128 << 20
	// maxTook is how long somebody else's login takes at most. It is looked at by `make flood` alone: elsewhere other
	// tests run beside this one.
	maxTook = 2 * time.Second
	// minGuesses is how many wrong passwords there are at least in a flood that lasts.
	minGuesses = 50_000
)

// lasting returns how long each flood goes on, and whether that is the full time.
func lasting(t *testing.T) (time.Duration, bool) {
	t.Helper()
	given := os.Getenv("DOCKIT_TEST_FLOOD")
	if given == "" {
		return 5 * time.Second, false
	}
	d, err := time.ParseDuration(given)
	require.NoError(t, err, "DOCKIT_TEST_FLOOD is how long each flood goes on")
	return d, true
}

// floods are what a stranger sends until the context ends. Each returns how many requests that was.
var floods = []struct {
	name  string
	https bool
	run   func(context.Context, *server) int64
}{
	{"wrong passwords on connections that close at once", false, guesses},
	{"HTTP/2 streams that are reset at once", true, resets},
}

// TestFloodCostsLittle guards that what a stranger sends and does not wait for takes neither memory nor goroutines, nor
// keeps others from logging in, and that the memory comes back.
func TestFloodCostsLittle(t *testing.T) {
	for _, flood := range floods {
		t.Run(flood.name, func(t *testing.T) {
			time, full := lasting(t)
			s := startServer(t, flood.https, time, 0)
			s.flood(t, time, flood.run)
			assert.Less(t, s.peak.resident-s.quiet.resident, int64(maxGrowth), "growth in bytes")
			assert.Less(t, s.peak.goroutines, int64(maxGoroutines))
			if full {
				assert.Less(t, quantile(s.people.took, 100), maxTook, "right passwords of others")
				assert.Less(t, quantile(s.robots.took, 100), maxTook, "access tokens")
			}
			if full && !flood.https {
				assert.GreaterOrEqual(t, s.sent, int64(minGuesses))
			}
			s.requireGivenBack(t)
		})
	}
}

// TestFloodInLittleMemory guards that a server in a small container lives through the same.
func TestFloodInLittleMemory(t *testing.T) {
	for _, flood := range floods {
		t.Run(flood.name, func(t *testing.T) {
			time, _ := lasting(t)
			s := startServer(t, flood.https, time, littleMemory)
			s.flood(t, time, flood.run)
			assert.Less(t, s.peak.goroutines, int64(maxGoroutines))
			assert.Zero(t, s.group.kills(t), "killed for want of memory")
		})
	}
}

// flood runs a flood beside the logins of others, and tells what came of it.
func (s *server) flood(t *testing.T, lasts time.Duration, run func(context.Context, *server) int64) {
	t.Helper()
	s.resetPeak(t)
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var beside sync.WaitGroup
	beside.Go(func() { s.sent = run(ctx, s) })
	beside.Go(func() { s.watch(ctx) })
	beside.Go(func() { s.robots.logIn(ctx, t) })
	beside.Go(func() { s.people.logIn(ctx, t) })
	beside.Wait()
	select {
	case <-s.Done():
		t.Fatalf("%s ended:\n%s", s, s.Excerpt())
	default:
	}
	s.peak.resident = s.peakResident(t)
	t.Logf("%d requests in %s: from %s to %s; right passwords: %s; access tokens: %s",
		s.sent, lasts, s.quiet, s.peak, s.people, s.robots)
	require.NotZero(t, s.sent)
	require.Zero(t, s.people.refused, "right passwords of others that were refused")
	require.Zero(t, s.robots.refused, "access tokens that were refused")
}

// requireGivenBack waits until the server has given back what the flood took.
func (s *server) requireGivenBack(t *testing.T) {
	t.Helper()
	began := time.Now()
	var left usage
	require.Eventuallyf(t, func() bool {
		left = s.usage(t)
		return left.resident < s.quiet.resident+maxLeft
	}, time.Minute, 250*time.Millisecond, "memory was not given back: %s, before it was %s", &left, s.quiet)
	t.Logf("%s are left %s later", left, time.Since(began).Round(100*time.Millisecond))
}
