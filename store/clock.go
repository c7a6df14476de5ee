package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/internal/clock"
)

const (
	// MaxSkew is how far the clocks of a node and of its database may be apart
	// without consequences.
	MaxSkew = 5 * time.Second
	// skewSlack keeps a skew about as large as [MaxSkew] from coming and going.
	skewSlack = time.Second
	// longestReading is how long reading the database's clock may take: it showed
	// that time somewhere in between.
	longestReading = 2 * time.Second
	// settling is how long after a jump the only clock is not trusted with what
	// cannot be undone.
	settling = time.Hour
)

// Clock is what is known of the clocks of this machine and of the database.
type Clock struct {
	// Apart is set for a database with a clock of its own. That of SQLite is the
	// machine's.
	Apart bool
	// Ahead is by how much the database's clock is ahead of the machine's.
	Ahead time.Duration
	// Fault is what is wrong with them, empty when nothing is. While there is a
	// fault, this node removes nothing because of its age.
	Fault string

	// doubt is how far what counts as the time may be off because of that.
	doubt time.Duration
}

// sharedClock is the time that all nodes of a database go by: what the database's
// clock shows, whatever this machine's does. When that of the database jumps, as
// it may when another server takes over, and this machine's did not, the machine's
// is believed for as long: two that agree against one.
type sharedClock struct {
	// apart is set for a database with a clock of its own.
	apart  bool
	this   func() clock.Moment
	logger *zap.Logger

	last atomic.Pointer[clockReading] // nil before the first

	mu   sync.Mutex // held while last changes
	told Clock      // what the log says
}

// clockReading is one look at the clocks.
type clockReading struct {
	at clock.Moment
	// time is what counts as the time then.
	time time.Time
	// ahead is by how much the database's clock was ahead of the machine's.
	ahead  time.Duration
	skewed bool
	// kept is set while the database's clock is not believed.
	kept bool
	// jumped is when the machine's clock did so last, by how much, if there is no
	// other one.
	jumped clock.Moment
	by     time.Duration
}

func newSharedClock(apart bool, this func() clock.Moment, logger *zap.Logger) *sharedClock {
	return &sharedClock{apart: apart, this: this, logger: logger}
}

// now is the time that all nodes go by.
func (c *sharedClock) now() time.Time {
	last := c.last.Load()
	if !c.apart || last == nil {
		return c.this().Shown()
	}
	return last.time.Add(c.this().Since(last.at))
}

// read takes into account what the database's clock showed at some time since
// began, or nothing of it when there is none.
func (c *sharedClock) read(began clock.Moment, shown time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ended := c.this()
	took, last := ended.Since(began), c.last.Load()
	if took > longestReading || last != nil && ended.Since(last.at) < took {
		return // not exact, or older than what is known
	}
	if c.apart {
		c.last.Store(reckon(last, ended.Before(took/2), shown, took/2))
	} else {
		c.last.Store(noticeJump(last, ended))
	}
	c.report()
}

// reckon decides what counts as the time when the database's clock showed one, give
// or take fuzz.
func reckon(last *clockReading, at clock.Moment, shown time.Time, fuzz time.Duration) *clockReading {
	own := at.Shown()
	next := &clockReading{at: at, time: shown, ahead: shown.Sub(own)}
	next.skewed = next.ahead.Abs() > MaxSkew
	if last == nil {
		return next
	}
	if last.skewed {
		next.skewed = next.ahead.Abs() > MaxSkew-skewSlack
	}
	expected := last.time.Add(at.Since(last.at))
	switch jump := shown.Sub(expected).Abs(); {
	case jump <= fuzz:
		next.time = expected
	case jump > MaxSkew && own.Sub(expected).Abs() <= MaxSkew && next.ahead.Abs() > MaxSkew:
		next.time, next.kept = expected, true
	}
	return next
}

// noticeJump looks at the only clock there is.
func noticeJump(last *clockReading, at clock.Moment) *clockReading {
	next := &clockReading{at: at, time: at.Shown()}
	if last == nil {
		return next
	}
	next.jumped, next.by = last.jumped, last.by
	if by := at.Jumped(last.at); by.Abs() > MaxSkew {
		next.jumped, next.by = at, by
	}
	return next
}

// state is what is known of the clocks by now.
func (c *sharedClock) state() Clock {
	last := c.last.Load()
	if last == nil {
		return Clock{Apart: c.apart, Fault: "the clock of the database has not been read yet"}
	}
	state := Clock{Apart: c.apart, Ahead: last.ahead, doubt: last.ahead.Abs()}
	if !c.apart {
		if last = noticeJump(last, c.this()); !last.jumped.IsZero() && last.jumped.Ticked() < settling {
			state.Fault = fmt.Sprintf("the clock of this machine jumped by %s, or the machine slept", last.by.Round(time.Second))
			state.doubt = last.by.Abs()
		}
		return state
	}
	side := "ahead of"
	if last.ahead < 0 {
		side = "behind"
	}
	if last.skewed {
		state.Fault = fmt.Sprintf("the clock of the database is %s %s that of this machine", last.ahead.Abs().Round(time.Second), side)
	}
	if last.kept {
		state.Fault += ", after it jumped"
	}
	return state
}

// sure reports whether what is too old may be removed.
func (c *sharedClock) sure() bool { return c.state().Fault == "" }

// report logs once when something is wrong, is wrong in another way or
// is right again.
func (c *sharedClock) report() {
	state := c.state()
	still := state.Apart && state.Fault != "" && c.told.Fault != "" && (state.Ahead-c.told.Ahead).Abs() <= MaxSkew
	if still || state.Fault == c.told.Fault {
		return
	}
	c.told = state
	if state.Fault == "" {
		c.logger.Info("the clocks of this machine and of the database are right again")
		return
	}
	c.logger.Warn(state.Fault+": nothing is removed because of its age by this node until that is over; keep clocks by NTP, on machines and on database servers",
		zap.Duration("database_ahead", state.Ahead.Round(time.Millisecond)))
}

// Now is the time that all nodes of the database go by. Whatever is written for
// others, or compared with what they wrote, goes by it.
func (s *Store) Now() time.Time { return s.now() }

// Clock is what is known of the clocks of this machine and of the database. It
// asks nothing: that is done together with [Store.Marks].
func (s *Store) Clock() Clock { return s.clock.state() }

// expiredAt is when something must have expired to be past that by every clock.
func (s *Store) expiredAt() time.Time {
	if state := s.Clock(); state.Fault != "" {
		return s.now().Add(-state.doubt)
	}
	return s.now()
}

// MayForget reports whether what is too old may be removed: not while a clock is in
// doubt.
func (s *Store) MayForget() bool { return s.clock.sure() }
