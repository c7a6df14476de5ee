package dockit

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dockit-registry/dockit/internal/settings"
)

// Audit says how long it is kept who changed what.
type Audit struct {
	// Keep is how long entries are kept, at least 1d. They go once a day, up to
	// a day later, and a signed checkpoint stays in their place. Default: for
	// ever.
	Keep caddy.Duration `json:"keep,omitempty"`
}

// unmarshal reads:
//
//	audit {
//		keep <duration>
//	}
func (a *Audit) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return readBlock(d, "audit", map[string]func() error{
		"keep": func() error {
			if err := positiveDuration(d, &a.Keep); err != nil {
				return err
			}
			if err := settings.CheckAuditKeep("audit keep", time.Duration(a.Keep)); err != nil {
				return d.WrapErr(err)
			}
			return nil
		},
	})
}

// auditKeep is how long the audit is kept, 0 for ever.
func (a *App) auditKeep() time.Duration {
	if a.Audit == nil {
		return 0
	}
	return time.Duration(a.Audit.Keep)
}
