package dockit

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dockit-registry/dockit/internal/duration"
)

// argument reads the only argument of a subdirective.
func argument(d *caddyfile.Dispenser, value *string) error {
	name := d.Val()
	args := d.RemainingArgs()
	switch len(args) {
	case 0:
		return d.ArgErr()
	case 1:
		*value = args[0]
	default:
		return d.Errf("%s takes one value: quote one with spaces", name) // which may be a secret
	}
	if *value == "" {
		return d.Errf("%s is empty", name)
	}
	return nil
}

// noBlock refuses a block after a directive that takes none, which Caddy
// would otherwise read as something else.
func noBlock(d *caddyfile.Dispenser, name string) error {
	if nesting := d.Nesting(); d.NextBlock(nesting) {
		return d.Errf("unknown subdirective %q: %s takes no block", d.Val(), name)
	}
	return nil
}

// settings reads the block of a subdirective, whose settings are read by the
// function of their name, each at most once.
func settings(d *caddyfile.Dispenser, of string, read map[string]func() error) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if seen[name] {
			return d.Errf("%s is given twice", name)
		}
		seen[name] = true
		if read[name] == nil {
			return d.Errf("unknown subdirective %q of %s: use %s", name, of, strings.Join(slices.Sorted(maps.Keys(read)), ", "))
		}
		if err := read[name](); err != nil {
			return err
		}
	}
	return nil
}

func positiveDuration(d *caddyfile.Dispenser, value *caddy.Duration) error {
	name := d.Val()
	var text string
	if err := argument(d, &text); err != nil {
		return err
	}
	return parsePositiveDuration(d, name, text, value)
}

// durationOrOff makes off a negative duration.
func durationOrOff(d *caddyfile.Dispenser, value *caddy.Duration) error {
	name := d.Val()
	var text string
	if err := argument(d, &text); err != nil {
		return err
	}
	if text == "off" {
		*value = -1
		return nil
	}
	return parsePositiveDuration(d, name, text, value)
}

func parsePositiveDuration(d *caddyfile.Dispenser, name, text string, value *caddy.Duration) error {
	duration, err := duration.Parse(text)
	if err != nil {
		return d.Errf("%s: %v", name, err)
	}
	if duration <= 0 {
		return d.Errf("%s is %s: write a duration such as 15m or 90d", name, text)
	}
	*value = caddy.Duration(duration)
	return nil
}

func positiveNumber(d *caddyfile.Dispenser, value *int) error {
	name := d.Val()
	var text string
	if err := argument(d, &text); err != nil {
		return err
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return d.Errf("%s is %q: write a number from 1", name, text)
	}
	*value = number
	return nil
}
