package dockit

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

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
	return settings(d, "refresh_tokens", map[string]func() error{
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
	return settings(d, "access_tokens", map[string]func() error{
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
	return settings(d, "passwords", map[string]func() error{
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
	return settings(d, "lockout", map[string]func() error{
		"failures": func() error { return positiveNumber(d, &l.Failures) },
		"window":   func() error { return positiveDuration(d, &l.Window) },
		"duration": func() error { return positiveDuration(d, &l.Duration) },
		"ceiling":  func() error { return positiveNumber(d, &l.Ceiling) },
	})
}
