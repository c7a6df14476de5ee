package auth

import (
	"cmp"
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/internal/auth/passwords"
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

	// Passwords say how often passwords are checked, and how often they may be
	// wrong.
	Passwords passwords.Options

	// ServeStale is how long memory stands in for a database that does not
	// answer. Negative: not at all. Default: one hour.
	ServeStale time.Duration
}

func (o Options) withDefaults() Options {
	const day = 24 * time.Hour
	o.RefreshTokenLife = cmp.Or(o.RefreshTokenLife, 90*day)
	o.RefreshTokenIdle = cmp.Or(o.RefreshTokenIdle, 30*day)
	o.RobotTokens = cmp.Or(o.RobotTokens, 2)
	o.Passwords = o.Passwords.WithDefaults()
	o.ServeStale = cmp.Or(o.ServeStale, cache.DefaultServeStale)
	return o
}

const (
	// MaxServeStale bounds [Options.ServeStale]: it keeps what was revoked meanwhile from being good for ever.
	MaxServeStale  = 7 * 24 * time.Hour
	maxRobotTokens = 100
)

// Validate says which of the options makes no sense.
func (o Options) Validate() error {
	o = o.withDefaults()
	for _, d := range []struct {
		name         string
		value, least time.Duration
	}{
		{"life of refresh tokens", o.RefreshTokenLife, time.Minute},
		{"idle life of refresh tokens", o.RefreshTokenIdle, time.Minute},
		{"life of access tokens", o.AccessTokenLife, 0},
	} {
		if d.value < d.least {
			return fmt.Errorf("the %s is %s, at least %s is needed", d.name, d.value, d.least)
		}
	}
	if o.ServeStale > MaxServeStale {
		return fmt.Errorf("the time without the database is %s, at most %s is allowed", o.ServeStale, MaxServeStale)
	}
	if o.RobotTokens < 1 || o.RobotTokens > maxRobotTokens {
		return fmt.Errorf("the number of access tokens of a robot is %d, from 1 to %d are allowed", o.RobotTokens, maxRobotTokens)
	}
	return o.Passwords.Validate()
}
