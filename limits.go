package dockit

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dockit-registry/dockit/state"
	"github.com/dockit-registry/dockit/store"
)

// Limits bound what one subject, and one state document, can cost.
type Limits struct {
	// Permissions is how many one user, robot or group may have, from 1 to
	// 10,000,000. Who has more keeps them and gets no further ones. Default:
	// 100,000.
	Permissions int `json:"permissions,omitempty"`

	// StateSize is the largest state document that is planned or applied, in
	// bytes, from 64 KiB to 1 GiB. Planning takes three to eight times as much
	// memory.
	// Default: 64 MiB.
	StateSize int64 `json:"state_size,omitempty"`
}

// What [Limits] can be.
const (
	mostPermissions               = 10_000_000
	leastStateSize, mostStateSize = 64 << 10, 1 << 30
)

// unmarshal reads:
//
//	limits {
//		permissions <number>
//		state_size  <size>
//	}
func (l *Limits) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return settings(d, "limits", map[string]func() error{
		"permissions": func() error {
			if err := positiveNumber(d, &l.Permissions); err != nil {
				return err
			}
			if err := checkMaxPermissions("limits permissions", l.Permissions); err != nil {
				return d.WrapErr(err)
			}
			return nil
		},
		"state_size": func() error {
			var text string
			err := argument(d, &text)
			if err == nil {
				l.StateSize, err = parseStateSize("limits state_size", text)
			}
			if err != nil {
				return d.WrapErr(err)
			}
			return nil
		},
	})
}

func checkMaxPermissions(name string, number int) error {
	if number < 1 || number > mostPermissions {
		return fmt.Errorf("%s is %d: from 1 to %d are possible", name, number, mostPermissions)
	}
	return nil
}

// parseStateSize reads a size such as 64MiB.
func parseStateSize(name, text string) (int64, error) {
	size, err := humanize.ParseBytes(text)
	if err != nil || strings.HasPrefix(text, "-") {
		return 0, fmt.Errorf("%s %q: write a size such as 64MiB", name, text)
	}
	return int64(min(size, mostStateSize+1)), checkStateSize(name, int64(min(size, mostStateSize+1)))
}

func checkStateSize(name string, size int64) error {
	if size < leastStateSize || size > mostStateSize {
		return fmt.Errorf("%s: from %s to %s are possible", name, state.Size(leastStateSize), state.Size(mostStateSize))
	}
	return nil
}

// limits are those of the configuration, or the defaults.
func (a *App) limits() (Limits, error) {
	l := Limits{Permissions: store.DefaultMaxPermissions, StateSize: state.DefaultMaxSize}
	if a.Limits == nil {
		return l, nil
	}
	if a.Limits.Permissions != 0 {
		l.Permissions = a.Limits.Permissions
	}
	if a.Limits.StateSize != 0 {
		l.StateSize = a.Limits.StateSize
	}
	if err := checkMaxPermissions("limits permissions", l.Permissions); err != nil {
		return l, err
	}
	return l, checkStateSize("limits state_size", l.StateSize)
}
