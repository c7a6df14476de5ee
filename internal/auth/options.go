package auth

import (
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/internal/cache"
)

// Options are what an operator chooses. Zero values are the defaults.
type Options struct {
	// RefreshTokens lets docker login keep a refresh token instead of the
	// password. Default: off.
	RefreshTokens bool
	// RefreshTokenLife is the longest life of a refresh token. Default: 90 days.
	RefreshTokenLife time.Duration
	// RefreshTokenIdle is how long a refresh token lives without being used.
	// Default: 30 days.
	RefreshTokenIdle time.Duration

	// AccessTokenLife is the longest life of an access token; one that is made
	// without an expiry gets it. Default: access tokens may live for ever.
	AccessTokenLife time.Duration
	// RobotTokens is how many access tokens that are not expired a robot may
	// have. Default: 2.
	RobotTokens int

	// Remember is how long a password that was right is not checked again.
	// Negative: not at all. Default: one minute.
	Remember time.Duration

	// ServeStale is how long memory stands in for a database that does not
	// answer. Negative: not at all. Default: one hour.
	ServeStale time.Duration

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

func (o Options) withDefaults() Options {
	for value, fallback := range map[*time.Duration]time.Duration{
		&o.RefreshTokenLife: 90 * 24 * time.Hour,
		&o.RefreshTokenIdle: 30 * 24 * time.Hour,
		&o.Remember:         time.Minute,
		&o.ServeStale:       cache.DefaultServeStale,
		&o.LockoutWindow:    15 * time.Minute,
		&o.LockoutDuration:  15 * time.Minute,
	} {
		if *value == 0 {
			*value = fallback
		}
	}
	for value, fallback := range map[*int]int{&o.RobotTokens: 2, &o.LockoutFailures: 10, &o.Ceiling: 100} {
		if *value == 0 {
			*value = fallback
		}
	}
	return o
}

// Bounds of what can be chosen.
const (
	// maxRemember keeps a password from being good for long after the hash it
	// was checked against was copied elsewhere.
	maxRemember = 10 * time.Minute
	// MaxServeStale bounds [Options.ServeStale]: it keeps what was revoked meanwhile from being good for ever.
	MaxServeStale = 7 * 24 * time.Hour
	// maxWindow bounds what one login attempt reads.
	maxWindow          = time.Hour
	maxLockout         = 24 * time.Hour
	maxLockoutFailures = 100
	maxCeiling         = 1000
)

// Validate says which of the options makes no sense.
func (o Options) Validate() error {
	o = o.withDefaults()
	for _, d := range []struct {
		name     string
		value    time.Duration
		min, max time.Duration
	}{
		{"life of refresh tokens", o.RefreshTokenLife, time.Minute, 0},
		{"idle life of refresh tokens", o.RefreshTokenIdle, time.Minute, 0},
		{"life of access tokens", o.AccessTokenLife, 0, 0},
		{"time for which a password is remembered", o.Remember, -1 << 63, maxRemember},
		{"time without the database", o.ServeStale, -1 << 63, MaxServeStale},
		{"window of the lockout", o.LockoutWindow, time.Second, maxWindow},
		{"length of the lockout", o.LockoutDuration, time.Second, maxLockout},
	} {
		if d.value < d.min {
			return fmt.Errorf("the %s is %s, at least %s is needed", d.name, d.value, d.min)
		}
		if d.max != 0 && d.value > d.max {
			return fmt.Errorf("the %s is %s, at most %s is allowed", d.name, d.value, d.max)
		}
	}
	for _, n := range []struct {
		name       string
		value, max int
	}{
		{"access tokens of a robot", o.RobotTokens, 100},
		{"wrong passwords before a lockout", o.LockoutFailures, maxLockoutFailures},
		{"wrong passwords from everywhere", o.Ceiling, maxCeiling},
	} {
		if n.value < 1 || n.value > n.max {
			return fmt.Errorf("the number of %s is %d, from 1 to %d are allowed", n.name, n.value, n.max)
		}
	}
	return nil
}
