package passwords

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// Options are what an operator chooses. Zero values are the defaults.
type Options struct {
	// Remember is how long a password that was right is not checked again.
	// Negative: not at all. Default: one minute.
	Remember time.Duration

	// LockoutFailures is how many wrong passwords for one name from one address
	// prefix (an IPv4 address, or an IPv6 network of 64 bits) within
	// LockoutWindow lock the two out for LockoutDuration. Defaults: 10 in 15
	// minutes for 15 minutes.
	LockoutFailures int
	LockoutWindow   time.Duration
	LockoutDuration time.Duration
	// Ceiling is how many wrong passwords for one name from everywhere within
	// LockoutWindow are checked as they come. After that, passwords from where
	// the user has not logged in before are checked one every few seconds.
	// Default: 100.
	Ceiling int
}

// WithDefaults returns the options with all defaults filled in.
func (o Options) WithDefaults() Options {
	o.Remember = cmp.Or(o.Remember, time.Minute)
	o.LockoutFailures = cmp.Or(o.LockoutFailures, 10)
	o.LockoutWindow = cmp.Or(o.LockoutWindow, 15*time.Minute)
	o.LockoutDuration = cmp.Or(o.LockoutDuration, 15*time.Minute)
	o.Ceiling = cmp.Or(o.Ceiling, 100)
	return o
}

// Bounds of what can be chosen.
const (
	// maxRemember keeps a password from being good for long after the hash it
	// was checked against was copied elsewhere.
	maxRemember = 10 * time.Minute
	// maxWindow bounds what one login attempt reads.
	maxWindow          = time.Hour
	maxLockout         = 24 * time.Hour
	maxLockoutFailures = 100
	maxCeiling         = 1000
)

// Validate says which of the options makes no sense.
func (o Options) Validate() error {
	o = o.WithDefaults()
	for _, d := range []struct {
		name               string
		value, least, most time.Duration
	}{
		{"time for which a password is remembered", o.Remember, math.MinInt64, maxRemember},
		{"window of the lockout", o.LockoutWindow, time.Second, maxWindow},
		{"length of the lockout", o.LockoutDuration, time.Second, maxLockout},
	} {
		if d.value < d.least {
			return fmt.Errorf("the %s is %s, at least %s is needed", d.name, d.value, d.least)
		}
		if d.value > d.most {
			return fmt.Errorf("the %s is %s, at most %s is allowed", d.name, d.value, d.most)
		}
	}
	for _, n := range []struct {
		name       string
		value, max int
	}{
		{"wrong passwords before a lockout", o.LockoutFailures, maxLockoutFailures},
		{"wrong passwords from everywhere", o.Ceiling, maxCeiling},
	} {
		if n.value < 1 || n.value > n.max {
			return fmt.Errorf("the number of %s is %d, from 1 to %d are allowed", n.name, n.value, n.max)
		}
	}
	return nil
}

// keepFailures is how long a failure may count.
func (o Options) keepFailures() time.Duration {
	return max(o.LockoutWindow+o.LockoutDuration, time.Hour)
}
