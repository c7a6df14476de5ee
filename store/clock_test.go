package store

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dockit-registry/dockit/internal/clock"
)

// machine is one whose clock is set.
type machine struct{ ahead atomic.Int64 }

func (m *machine) set(ahead time.Duration) { m.ahead.Store(int64(ahead)) }

func (m *machine) this() clock.Moment { return clock.This().Set(time.Duration(m.ahead.Load())) }

func openOn(t *testing.T, m *machine, config Config) *Store {
	t.Helper()
	s, err := open(t.Context(), config, zaptest.NewLogger(t), m.this)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
	})
	return s
}

// readClock does what the poll does.
func readClock(t *testing.T, s *Store) {
	t.Helper()
	_, err := s.Marks(t.Context())
	require.NoError(t, err)
}

// TestWrongClockRemovesNothing has a node whose clock is an hour off do all that
// removes what is too old. On SQLite, the clock jumps while the node runs.
func TestWrongClockRemovesNothing(t *testing.T) {
	for _, ahead := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, db database) {
				config := db.config(t)
				right, m := openConfig(t, config), new(machine)
				if db.dialect == "mysql" {
					m.set(ahead)
				}
				wrong := openOn(t, m, config)
				m.set(ahead)
				testWrongClock(t, right, wrong)
				if db.dialect != "mysql" {
					return
				}
				off := wrong.Now().Sub(right.Now()).Abs()
				assert.LessOrEqual(t, off, time.Second, "the times of the two nodes are %s apart", off)
				m.set(0)
				readClock(t, wrong)
				assert.True(t, wrong.MayForget(), "the clock is right again, and %+v", wrong.Clock())
			})
		})
	}
}

func testWrongClock(t *testing.T, right, wrong *Store) {
	const half = 30 * time.Minute
	ctx, now := t.Context(), right.Now()
	alice := person(t, right, "alice", "$a")
	create(t, right, "robot:ci")
	for range 10 {
		require.NoError(t, right.RecordFailures(ctx, FailureChange{New: []Failure{{"alice", "192.0.2.1/32", right.Now()}}}, time.Time{}))
	}
	refresh := func(s *Store, id string, expiresAt time.Time) {
		t.Helper()
		require.NoError(t, s.CreateRefreshToken(ctx, NewRefreshToken{ID: id, OwnerID: alice, PasswordHash: "$a", Service: "registry", Hash: []byte(id), ExpiresAt: expiresAt}))
	}
	refresh(right, "soon", now.Add(half))
	networks := func(s *Store, network string, at time.Time) {
		t.Helper()
		require.NoError(t, s.RecordUses(ctx, Uses{Networks: map[LoginNetwork]time.Time{{alice, network}: at}}))
	}
	networks(right, "192.0.2.1/32", now.Add(half-loginNetworkKept))
	accessToken(t, right, "robot:ci", "old", "old", now.Add(half-expiredTokensKept))
	accessToken(t, right, "robot:ci", "current", "current", now.Add(half))

	assert.False(t, wrong.MayForget(), "the clock is believed: %+v", wrong.Clock())
	require.NoError(t, wrong.RecordFailures(ctx, FailureChange{New: []Failure{{"bob", "192.0.2.2/32", wrong.Now()}}}, wrong.Now().Add(-time.Hour)))
	refresh(wrong, "another", now.Add(48*time.Hour))
	networks(wrong, "192.0.2.2/32", wrong.Now())
	accessToken(t, wrong, "robot:ci", "another", "another", now.Add(48*time.Hour))
	_, err := wrong.CreateAccessToken(ctx, NewAccessToken{ID: "thief", Owner: ref(t, "robot:ci"), Name: "current", Hash: []byte("x")})
	require.Error(t, err, "a token that is good was replaced by one of the same name")

	for _, c := range []struct {
		what, table string
		want        int
	}{
		{"wrong passwords", "login_failures", 11},
		{"refresh tokens", "refresh_tokens", 2},
		{"networks", "login_networks", 2},
		{"access tokens", "access_tokens", 3},
	} {
		var rows int
		require.NoError(t, right.reader.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+c.table).Scan(&rows), "%d %s are left", rows, c.what)
		assert.Equal(t, c.want, rows, "%d %s are left", rows, c.what)
	}
	window := right.Now().Add(-15 * time.Minute)
	failures, err := right.Failures(ctx, "alice", window, "192.0.2.1/32", window)
	require.NoError(t, err)
	assert.Len(t, failures, 10)
}

// TestTime distinguishes a clock of the machine that is set from one of the database that
// is: another server may have taken over.
func TestTime(t *testing.T) {
	const tick = time.Second
	type step struct {
		machine, database time.Duration // by how much they are ahead of what is right
		want              time.Duration // by how much the time is
		sure              bool
	}
	for name, steps := range map[string][]step{
		"both are right":                        {{0, 0, 0, true}, {0, 0, 0, true}},
		"a little apart":                        {{0, 3 * time.Second, 3 * time.Second, true}},
		"the machine is wrong":                  {{time.Hour, 0, 0, false}, {time.Hour, 0, 0, false}, {0, 0, 0, true}},
		"the machine jumps forth and back":      {{0, 0, 0, true}, {time.Hour, 0, 0, false}, {-time.Hour, 0, 0, false}, {0, 0, 0, true}},
		"the database jumps forth and back":     {{0, 0, 0, true}, {0, time.Hour, 0, false}, {0, time.Hour, 0, false}, {0, 0, 0, true}},
		"the database jumps back":               {{0, 0, 0, true}, {0, -time.Hour, 0, false}, {0, 0, 0, true}},
		"both are set, or the machine slept":    {{0, 0, 0, true}, {time.Hour, time.Hour, time.Hour, true}},
		"the machine is set as the database is": {{0, 0, 0, true}, {0, time.Hour, 0, false}, {time.Hour, time.Hour, time.Hour, true}},
		"nothing but the database to believe":   {{time.Hour, 0, 0, false}, {time.Hour, 2 * time.Hour, 2 * time.Hour, false}},
		"about as far as is allowed":            {{0, 6 * time.Second, 6 * time.Second, false}, {0, 4500 * time.Millisecond, 4500 * time.Millisecond, false}, {0, 3 * time.Second, 3 * time.Second, true}},
	} {
		t.Run(name, func(t *testing.T) {
			var last *clockReading
			began := clock.This()
			for i, s := range steps {
				at := began.Before(-time.Duration(i) * tick)
				right := at.Shown()
				last = reckon(last, at.Set(s.machine), right.Add(s.database), 0)
				c := &sharedClock{apart: true}
				c.last.Store(last)
				assert.Equal(t, s.want, last.time.Sub(right), "step %d: %+v", i, c.state())
				assert.Equal(t, s.sure, c.sure(), "step %d: %+v", i, c.state())
			}
		})
	}
}

// TestSkewIsLoggedOnce for each change.
func TestSkewIsLoggedOnce(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	m := new(machine)
	c := newSharedClock(true, m.this, zap.New(core))
	assert.False(t, c.sure(), "sure before the first reading")
	for _, ahead := range []time.Duration{0, 0, time.Hour, time.Hour, time.Hour + time.Second, -time.Hour, -time.Hour, 0, 0} {
		m.set(ahead)
		c.read(m.this(), time.Now())
	}
	var levels []string
	for _, e := range logs.All() {
		levels = append(levels, e.Level.String())
	}
	assert.Equal(t, []string{"warn", "warn", "info"}, levels, "logged %v", logs.All())
}

// TestSlowReadingsDoNotCount: the database's clock showed that at some time since.
func TestSlowReadingsDoNotCount(t *testing.T) {
	m := new(machine)
	c := newSharedClock(true, m.this, zap.NewNop())
	c.read(clock.This().Before(longestReading+time.Second), time.Now())
	assert.False(t, c.sure(), "sure after a reading that took too long")
	c.read(m.this(), time.Now())
	assert.True(t, c.sure(), "not sure: %+v", c.state())
}

// TestMachineWithoutAnotherClock removes nothing for an hour after its clock jumped.
func TestMachineWithoutAnotherClock(t *testing.T) {
	m := new(machine)
	s := openOn(t, m, onSQLite.config(t))
	require.True(t, s.MayForget(), "at first: %+v", s.Clock())
	require.False(t, s.Clock().Apart, "at first: %+v", s.Clock())
	m.set(time.Minute)
	assert.False(t, s.MayForget(), "a jump that no poll has seen yet is not noticed")
	readClock(t, s)
	readClock(t, s)
	assert.False(t, s.MayForget(), "a jump is forgotten at once")
	assert.GreaterOrEqual(t, time.Until(s.Now()), 59*time.Second, "the only clock is not believed")
	s.clock.last.Store(&clockReading{at: m.this(), jumped: m.this().Before(settling), by: time.Minute})
	assert.True(t, s.MayForget(), "an hour later: %+v", s.Clock())
}
