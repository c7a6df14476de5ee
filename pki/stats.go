package pki

import (
	"sync/atomic"
	"time"
)

type counters struct {
	rotations      atomic.Uint64
	failures       atomic.Uint64
	reloads        atomic.Uint64
	reloadFailures atomic.Uint64
	fileBroken     atomic.Bool
}

// Stats are numbers for monitoring.
type Stats struct {
	// SigningKeyNotAfter is when the certificate of the shared signing key in
	// use ends, zero when no key can sign.
	SigningKeyNotAfter time.Time
	// AuthorityNotAfter is when the authority in use ends, zero when there is
	// none because a brought certificate signs tokens itself.
	AuthorityNotAfter time.Time
	// Rotations counts the keys that this node has replaced by others.
	Rotations uint64
	// Failures counts what went wrong while looking after keys.
	Failures uint64
	// Reloads counts how often a changed file was taken into use.
	Reloads uint64
	// ReloadFailures counts how often a file could not be used when it was
	// looked at.
	ReloadFailures uint64
	// FileBroken is set while the file cannot be used, and the key that it
	// held before stays in service.
	FileBroken bool
}

// Stats returns the numbers as they are now.
func (r *Ring) Stats() Stats {
	v := r.view.Load()
	stats := Stats{
		AuthorityNotAfter: v.authority,
		Rotations:         r.counters.rotations.Load(),
		Failures:          r.counters.failures.Load(),
		Reloads:           r.counters.reloads.Load(),
		ReloadFailures:    r.counters.reloadFailures.Load(),
		FileBroken:        r.counters.fileBroken.Load(),
	}
	if s := v.shared.at(r.now()); s != nil {
		stats.SigningKeyNotAfter = s.key.Chain[0].NotAfter
	}
	return stats
}
