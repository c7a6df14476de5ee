package store

import (
	"sync/atomic"
	"testing"
	"time"

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
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// readClock does what the poll does.
func readClock(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.Marks(t.Context()); err != nil {
		t.Fatal(err)
	}
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
				if off := wrong.Now().Sub(right.Now()).Abs(); off > time.Second {
					t.Errorf("the times of the two nodes are %s apart", off)
				}
				m.set(0)
				readClock(t, wrong)
				if !wrong.MayForget() {
					t.Errorf("the clock is right again, and %+v", wrong.Clock())
				}
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
		if err := right.RecordFailures(ctx, FailureChange{New: []Failure{{"alice", "192.0.2.1/32", right.Now()}}}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	refresh := func(s *Store, id string, expiresAt time.Time) {
		t.Helper()
		if err := s.CreateRefreshToken(ctx, NewRefreshToken{ID: id, OwnerID: alice, PasswordHash: "$a", Service: "registry", Hash: []byte(id), ExpiresAt: expiresAt}); err != nil {
			t.Fatal(err)
		}
	}
	refresh(right, "soon", now.Add(half))
	networks := func(s *Store, network string, at time.Time) {
		t.Helper()
		if err := s.RecordUses(ctx, Uses{Networks: map[LoginNetwork]time.Time{{alice, network}: at}}); err != nil {
			t.Fatal(err)
		}
	}
	networks(right, "192.0.2.1/32", now.Add(half-loginNetworkKept))
	accessToken(t, right, "robot:ci", "old", "old", now.Add(half-expiredTokensKept))
	accessToken(t, right, "robot:ci", "current", "current", now.Add(half))

	if wrong.MayForget() {
		t.Errorf("the clock is believed: %+v", wrong.Clock())
	}
	if err := wrong.RecordFailures(ctx, FailureChange{New: []Failure{{"bob", "192.0.2.2/32", wrong.Now()}}}, wrong.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	refresh(wrong, "another", now.Add(48*time.Hour))
	networks(wrong, "192.0.2.2/32", wrong.Now())
	accessToken(t, wrong, "robot:ci", "another", "another", now.Add(48*time.Hour))
	if _, err := wrong.CreateAccessToken(ctx, NewAccessToken{ID: "thief", Owner: ref(t, "robot:ci"), Name: "current", Hash: []byte("x")}); err == nil {
		t.Error("a token that is good was replaced by one of the same name")
	}

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
		if err := right.reader.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+c.table).Scan(&rows); err != nil || rows != c.want {
			t.Errorf("%d %s are left, %v; want %d", rows, c.what, err, c.want)
		}
	}
	window := right.Now().Add(-15 * time.Minute)
	if failures, err := right.Failures(ctx, "alice", window, "192.0.2.1/32", window); err != nil || len(failures) != 10 {
		t.Errorf("%d failures count, %v; want 10", len(failures), err)
	}
}

// TestTime tells a clock of the machine that is set from one of the database that
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
				if off := last.time.Sub(right); off != s.want || c.sure() != s.sure {
					t.Errorf("step %d: the time is %s off, sure %v; want %s, %v: %+v", i, off, c.sure(), s.want, s.sure, c.state())
				}
			}
		})
	}
}

// TestSkewIsLoggedOnce for each change.
func TestSkewIsLoggedOnce(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	m := new(machine)
	c := newSharedClock(true, m.this, zap.New(core))
	if c.sure() {
		t.Error("sure before the first reading")
	}
	for _, ahead := range []time.Duration{0, 0, time.Hour, time.Hour, time.Hour + time.Second, -time.Hour, -time.Hour, 0, 0} {
		m.set(ahead)
		c.read(m.this(), time.Now())
	}
	var levels []string
	for _, e := range logs.All() {
		levels = append(levels, e.Level.String())
	}
	if len(levels) != 3 || levels[0] != "warn" || levels[1] != "warn" || levels[2] != "info" {
		t.Errorf("logged %v", logs.All())
	}
}

// TestSlowReadingsDoNotCount: the database's clock showed that at some time since.
func TestSlowReadingsDoNotCount(t *testing.T) {
	m := new(machine)
	c := newSharedClock(true, m.this, zap.NewNop())
	c.read(clock.This().Before(longestReading+time.Second), time.Now())
	if c.sure() {
		t.Error("sure after a reading that took too long")
	}
	c.read(m.this(), time.Now())
	if !c.sure() {
		t.Errorf("not sure: %+v", c.state())
	}
}

// TestMachineWithoutAnotherClock removes nothing for an hour after its clock jumped.
func TestMachineWithoutAnotherClock(t *testing.T) {
	m := new(machine)
	s := openOn(t, m, onSQLite.config(t))
	if !s.MayForget() || s.Clock().Apart {
		t.Fatalf("at first: %+v", s.Clock())
	}
	m.set(time.Minute)
	if s.MayForget() {
		t.Error("a jump that no poll has seen yet is not noticed")
	}
	readClock(t, s)
	readClock(t, s)
	if s.MayForget() {
		t.Error("a jump is forgotten at once")
	}
	if off := time.Until(s.Now()); off < 59*time.Second {
		t.Errorf("the only clock is not believed: %s", off)
	}
	s.clock.last.Store(&clockReading{at: m.this(), jumped: m.this().Before(settling), by: time.Minute})
	if !s.MayForget() {
		t.Errorf("an hour later: %+v", s.Clock())
	}
}
