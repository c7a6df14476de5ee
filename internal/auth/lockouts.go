package auth

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/store"
)

// Lockout is a place from which wrong passwords came lately.
type Lockout struct {
	// Username is empty for names that nobody has, which are not kept.
	Username string
	// Network is the address prefix, empty when it is not known.
	Network string
	// Failures is how many there were within the window of the lockout.
	Failures int
	// Last is when the latest of them came.
	Last time.Time
	// Until is when the lockout ends, zero for a place that is not locked out.
	Until time.Time
}

// Lockouts lists the places from which wrong passwords came lately, the latest
// first. When there are very many, those for names that nobody has are left out
// before any other.
func (a *Authenticator) Lockouts(ctx context.Context) ([]Lockout, error) {
	now := a.store.Now()
	failures, err := a.store.RecentFailures(ctx, now.Add(-a.options.LockoutWindow-a.options.LockoutDuration))
	if err != nil {
		return nil, err
	}
	places := make(map[bucket][]store.Failure)
	for _, f := range failures {
		p := bucket{f.Name, f.Network}
		places[p] = append(places[p], f)
	}
	lockouts := make([]Lockout, 0, len(places))
	for p, failures := range places {
		s := recordOf(failures, p.network, a.options, now)
		lockout := Lockout{Username: p.name, Network: p.network, Failures: s.failures, Last: failures[0].At}
		if strings.HasPrefix(p.name, unknownName) {
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
