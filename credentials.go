package dockit

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/password"
)

// RefreshTokens are what docker login may store instead of a password.
type RefreshTokens struct {
	// Enabled lets them be issued and used. Default: false.
	Enabled bool `json:"enabled,omitempty"`

	// Life is the longest life of one, at least 1m. Default: 90d.
	Life caddy.Duration `json:"life,omitempty"`

	// Idle is how long one lives without being used, at least 1m. Default: 30d.
	Idle caddy.Duration `json:"idle,omitempty"`
}

// AccessTokens are long-lived secrets of users and robots, used as passwords.
type AccessTokens struct {
	// Life is the longest life of one; one that is made without an expiry gets
	// it. Default: they may live for ever.
	Life caddy.Duration `json:"life,omitempty"`

	// PerRobot is how many that are not expired a robot may have, from 1 to
	// 100. Default: 2.
	PerRobot int `json:"per_robot,omitempty"`
}

// Passwords say which passwords people may choose, and how often one is
// checked.
type Passwords struct {
	// Refused is a file of passwords that no user may choose, one a line. It is
	// read when the configuration is loaded. Default: none.
	Refused string `json:"refused,omitempty"`

	// Remember is how long a password that was right is not checked again, at
	// most 10m; negative for not at all. Default: 1m.
	Remember caddy.Duration `json:"remember,omitempty"`
}

// Lockout says what happens to who guesses passwords.
type Lockout struct {
	// Failures is how many wrong passwords for one name from one address
	// prefix (an IPv4 address, or an IPv6 network of 64 bits) within Window
	// lock the two out for Duration, from 1 to 100. Default: 10.
	Failures int `json:"failures,omitempty"`

	// Window is at most 1h. Default: 15m.
	Window caddy.Duration `json:"window,omitempty"`

	// Duration is at most 24h. Default: 15m.
	Duration caddy.Duration `json:"duration,omitempty"`

	// Ceiling is how many wrong passwords for one name from everywhere within
	// Window are checked as they come, from 1 to 1000. After that, passwords
	// from where the user has not logged in before are checked one every few
	// seconds. Default: 100.
	Ceiling int `json:"ceiling,omitempty"`
}

// authOptions are the options of the configuration for package auth.
func (a *App) authOptions() auth.Options {
	o := auth.Options{ServeStale: time.Duration(a.ServeStale)}
	if t := a.RefreshTokens; t != nil {
		o.RefreshTokens, o.RefreshTokenLife, o.RefreshTokenIdle = t.Enabled, time.Duration(t.Life), time.Duration(t.Idle)
	}
	if t := a.AccessTokens; t != nil {
		o.AccessTokenLife, o.RobotTokens = time.Duration(t.Life), t.PerRobot
	}
	if p := a.Passwords; p != nil {
		o.Passwords.Remember = time.Duration(p.Remember)
	}
	if l := a.Lockout; l != nil {
		o.Passwords.LockoutFailures, o.Passwords.Ceiling = l.Failures, l.Ceiling
		o.Passwords.LockoutWindow, o.Passwords.LockoutDuration = time.Duration(l.Window), time.Duration(l.Duration)
	}
	return o
}

// passwordRules reads the file of refused passwords, if there is one.
func (a *App) passwordRules() (*password.Rules, error) {
	if a.Passwords == nil || a.Passwords.Refused == "" {
		return nil, nil //nolint:nilnil // nil rules are about length only
	}
	file, err := expand("passwords: refused", a.Passwords.Refused)
	if err != nil {
		return nil, err
	}
	rules, err := password.LoadRules(file)
	if err != nil {
		return nil, fmt.Errorf("passwords: %w", err)
	}
	return rules, nil
}

// unmarshal reads:
//
//	refresh_tokens on|off {
//		life <duration>
//		idle <duration>
//	}
func (t *RefreshTokens) unmarshal(d *caddyfile.Dispenser) error {
	var state string
	if !d.AllArgs(&state) || (state != "on" && state != "off") {
		return d.Err("write: refresh_tokens on, or: refresh_tokens off")
	}
	t.Enabled = state == "on"
	return readBlock(d, "refresh_tokens", map[string]func() error{
		"life": func() error { return positiveDuration(d, &t.Life) },
		"idle": func() error { return positiveDuration(d, &t.Idle) },
	})
}

// unmarshal reads:
//
//	access_tokens {
//		life      <duration>
//		per_robot <number>
//	}
func (t *AccessTokens) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return readBlock(d, "access_tokens", map[string]func() error{
		"life":      func() error { return positiveDuration(d, &t.Life) },
		"per_robot": func() error { return positiveNumber(d, &t.PerRobot) },
	})
}

// unmarshal reads:
//
//	passwords {
//		refused  <file>
//		remember <duration>|off
//	}
func (p *Passwords) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return readBlock(d, "passwords", map[string]func() error{
		"refused":  func() error { return argument(d, &p.Refused) },
		"remember": func() error { return durationOrOff(d, &p.Remember) },
	})
}

// unmarshal reads:
//
//	lockout {
//		failures <number>
//		window   <duration>
//		duration <duration>
//		ceiling  <number>
//	}
func (l *Lockout) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return readBlock(d, "lockout", map[string]func() error{
		"failures": func() error { return positiveNumber(d, &l.Failures) },
		"window":   func() error { return positiveDuration(d, &l.Window) },
		"duration": func() error { return positiveDuration(d, &l.Duration) },
		"ceiling":  func() error { return positiveNumber(d, &l.Ceiling) },
	})
}
