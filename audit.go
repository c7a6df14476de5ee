package dockit

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dockit-registry/dockit/internal/duration"
	"github.com/dockit-registry/dockit/internal/retention"
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
	return settings(d, "audit", map[string]func() error{
		"keep": func() error {
			if err := positiveDuration(d, &a.Keep); err != nil {
				return err
			}
			if err := checkAuditKeep("audit keep", a.Keep); err != nil {
				return d.WrapErr(err)
			}
			return nil
		},
	})
}

// checkAuditKeep refuses what would leave no audit worth its name. 0 is for ever.
func checkAuditKeep(name string, keep caddy.Duration) error {
	if keep != 0 && time.Duration(keep) < retention.Least {
		return fmt.Errorf("%s is %s: at least %s are possible, such as 365d; leave it out to keep entries for ever", name,
			duration.Format(time.Duration(keep)), duration.Format(retention.Least))
	}
	return nil
}

// auditKeep is how long the audit is kept, 0 for ever.
func (a *App) auditKeep() time.Duration {
	if a.Audit == nil {
		return 0
	}
	return time.Duration(a.Audit.Keep)
}
