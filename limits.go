package dockit

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dockit-registry/dockit/internal/settings"
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
	return readBlock(d, "limits", map[string]func() error{
		"permissions": func() error {
			if err := positiveNumber(d, &l.Permissions); err != nil {
				return err
			}
			if err := settings.CheckMaxPermissions("limits permissions", l.Permissions); err != nil {
				return d.WrapErr(err)
			}
			return nil
		},
		"state_size": func() error {
			var text string
			err := argument(d, &text)
			if err == nil {
				l.StateSize, err = settings.ParseStateSize("limits state_size", text)
			}
			if err != nil {
				return d.WrapErr(err)
			}
			return nil
		},
	})
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
	if err := settings.CheckMaxPermissions("limits permissions", l.Permissions); err != nil {
		return l, err
	}
	return l, settings.CheckStateSize("limits state_size", l.StateSize)
}
