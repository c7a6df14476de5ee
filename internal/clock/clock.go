// Package clock reads the clock of this machine, which may be wrong, and may be
// set while the process runs.
//
// A build with the tag dockit_testclock reads from a file by how much that clock
// is wrong, so that tests can run nodes whose clocks differ. No release has it.
package clock

import "time"

// Moment is a moment in the life of this process.
type Moment struct {
	// ticks has the monotonic clock, which no administrator sets, and which stands still
	// while a machine sleeps. shown is what the clock showed.
	ticks, shown time.Time
}

// This is the present moment.
func This() Moment { return Moment{time.Now(), Now().Round(0)} }

// Shown is what the clock of this machine showed.
func (m Moment) Shown() time.Time { return m.shown }

// IsZero reports whether it is no moment.
func (m Moment) IsZero() bool { return m.ticks.IsZero() }

// Age is how long ago the moment was: what has certainly passed, and more after a
// sleep or when the clock was set forward.
func (m Moment) Age() time.Duration {
	return max(time.Since(m.ticks), Now().Round(0).Sub(m.shown))
}

// Ticked is how long the process has run since then, whatever the clock showed.
func (m Moment) Ticked() time.Duration { return time.Since(m.ticks) }

// Before is the moment that was d earlier.
func (m Moment) Before(d time.Duration) Moment { return Moment{m.ticks.Add(-d), m.shown.Add(-d)} }

// Since is how far the process has run from an earlier moment to this one.
func (m Moment) Since(earlier Moment) time.Duration { return m.ticks.Sub(earlier.ticks) }

// Jumped is by how much the clock was set, or the machine slept, between an
// earlier moment and this one.
func (m Moment) Jumped(earlier Moment) time.Duration {
	return m.shown.Sub(earlier.shown) - m.Since(earlier)
}

// Set is the moment as a clock that was set forward by some time would show it.
func (m Moment) Set(by time.Duration) Moment { return Moment{m.ticks, m.shown.Add(by)} }
