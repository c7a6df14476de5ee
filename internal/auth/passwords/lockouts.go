package passwords

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/store"
)

// Lockout is a name and a network from which wrong passwords came for it lately.
type Lockout struct {
	// Username is empty for unknown names, which are not kept.
	Username string
	// Network is the address prefix, empty when it is not known.
	Network string
	// Failures is how many there were within the window of the lockout.
	Failures int
	// Last is when the latest of them came.
	Last time.Time
	// Until is when the lockout ends, zero for a name and a network that are not locked out.
	Until time.Time
}

// Lockouts lists from which networks wrong passwords came lately, and for which
// names, the latest first. When there are very many, those for unknown names are
// left out before any other.
func (c *Checker) Lockouts(ctx context.Context) ([]Lockout, error) {
	now := c.store.Now()
	failures, err := c.store.RecentFailures(ctx, now.Add(-c.options.LockoutWindow-c.options.LockoutDuration))
	if err != nil {
		return nil, err
	}
	buckets := make(map[bucket][]store.Failure)
	for _, f := range failures {
		b := bucket{f.Name, f.Network}
		buckets[b] = append(buckets[b], f)
	}
	lockouts := make([]Lockout, 0, len(buckets))
	for b, failures := range buckets {
		s := recordOf(failures, b.network, c.options, now)
		lockout := Lockout{Username: b.name, Network: b.network, Failures: s.failures, Last: failures[0].At}
		if strings.HasPrefix(b.name, unknownName) {
			lockout.Username = ""
		}
		if s.lockedUntil.After(now) {
			lockout.Until = s.lockedUntil
		}
		if lockout.Failures > 0 || !lockout.Until.IsZero() {
			lockouts = append(lockouts, lockout)
		}
	}
	slices.SortFunc(lockouts, func(x, y Lockout) int {
		return cmp.Or(y.Last.Compare(x.Last), strings.Compare(x.Username, y.Username), strings.Compare(x.Network, y.Network))
	})
	return lockouts, nil
}
