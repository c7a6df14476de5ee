package passwords

import (
	"time"

	"github.com/dockit-registry/dockit/store"
)

const (
	// freeFailures is how many wrong passwords of one bucket have no consequence
	// but to be counted: people mistype.
	freeFailures = 3
	// firstDelay is how long the attempt after those waits. Each further
	// failure doubles it, up to maxDelay.
	firstDelay = 250 * time.Millisecond
	maxDelay   = 4 * time.Second
)

// record is what came from a bucket so far.
type record struct {
	// failures and last are those of the bucket within the window.
	failures int
	last     time.Time
	// lockedUntil is zero for a bucket that never was locked out.
	lockedUntil time.Time
	// everywhere and lastEverywhere are those for the name from all networks.
	everywhere     int
	lastEverywhere time.Time
}

// recordOf judges the failures for one name, the latest first.
func recordOf(failures []store.Failure, network string, o Options, now time.Time) record {
	var (
		r    record
		here []time.Time // the latest first
	)
	for _, f := range failures {
		if f.Network == network {
			here = append(here, f.At)
		}
		if now.Sub(f.At) >= o.LockoutWindow {
			continue
		}
		if r.everywhere++; r.everywhere == 1 {
			r.lastEverywhere = f.At
		}
		if f.Network != network {
			continue
		}
		if r.failures++; r.failures == 1 {
			r.last = f.At
		}
	}
	// As many as lead to a lockout, close enough to each other: the latest
	// such group counts.
	for i := 0; i+o.LockoutFailures <= len(here); i++ {
		if here[i].Sub(here[i+o.LockoutFailures-1]) < o.LockoutWindow {
			r.lockedUntil = here[i].Add(o.LockoutDuration)
			break
		}
	}
	return r
}

// delay is how long an attempt has to wait after so many failures.
func delay(failures int) time.Duration {
	d := firstDelay
	if failures < freeFailures {
		return 0
	}
	for range failures - freeFailures {
		if d *= 2; d >= maxDelay {
			return maxDelay
		}
	}
	return d
}

// wait is how long the next attempt still has to wait.
func (r record) wait(now time.Time) time.Duration {
	if r.failures < freeFailures {
		return 0
	}
	return max(0, r.last.Add(delay(r.failures)).Sub(now))
}
