package pki

import (
	"crypto/x509"
	"slices"
	"sync/atomic"
	"time"
)

// State is what a key is doing.
type State string

const (
	// Waiting keys are published and not used yet.
	Waiting State = "waiting"
	// Active keys sign.
	Active State = "active"
	// Retired keys sign no more; for a while their tokens still count.
	Retired State = "retired"
	// Revoked keys are unfit for use.
	Revoked State = "revoked"
	// Unused keys stand in the database, and the configuration of this node
	// has no use for them, or nothing shows that they are Dockit's.
	Unused State = "unused"
)

// KeyInfo describes a key to people. It holds nothing secret.
type KeyInfo struct {
	// ID is the RFC 7638 thumbprint of the public key, the kid of its tokens.
	ID string
	// Purpose is what the key is for.
	Purpose Purpose
	// Service is the one an [Own] key belongs to.
	Service string
	// State is what the key is doing now.
	State State
	// External is set on keys that come from a file.
	External bool
	// Sealed is set when the private key is encrypted in the database.
	Sealed bool
	// Issuer is the ID of the authority that signed the certificate.
	Issuer string
	// Subject is the distinguished name in the certificate.
	Subject string
	// Unproven is set on a key in the database that is not authenticated under
	// the configured encryption key: it may not be Dockit that wrote it.
	Unproven bool
	// Fingerprint is the SHA-256 of the certificate in hexadecimal.
	Fingerprint string
	// Algorithm is the JWS name of the signatures of the key.
	Algorithm string
	// NotBefore and NotAfter are the dates of the certificate.
	NotBefore, NotAfter time.Time
	// CreatedAt is when the key was made or first seen.
	CreatedAt time.Time
	// ActiveFrom is when the key takes over or took over, zero while that is
	// open.
	ActiveFrom time.Time
	// RetiredAt is when another key took over, or zero.
	RetiredAt time.Time
	// RevokedAt is when the key was revoked, or zero.
	RevokedAt time.Time
}

// inventory describes every key there is.
func (p *plan) inventory(external *externalHistory) []KeyInfo {
	var out []KeyInfo
	if p.standalone() {
		out = append(out, external.inventory()...)
	}
	for _, e := range p.keys {
		out = append(out, p.describe(e))
	}
	return out
}

// describe says what an administrator wants to know of a key.
func (p *plan) describe(e *storedKey) KeyInfo {
	info := describeCertificate(e.cert)
	info.ID = e.ID
	info.Purpose = e.Purpose
	info.Service = e.Service
	info.State = p.state(e)
	info.External = e.External
	info.Unproven = e.unproven
	info.Sealed = e.Sealing != ""
	info.Issuer = e.Issuer
	info.CreatedAt = e.CreatedAt
	info.ActiveFrom = e.ActiveFrom
	info.RetiredAt = e.RetiredAt
	info.RevokedAt = e.RevokedAt
	return info
}

func (p *plan) state(e *storedKey) State {
	switch {
	case e.revoked():
		return Revoked
	case e.External && !e.unproven:
		if p.isExternal(e) {
			return Active
		}
		return Retired
	case !e.RetiredAt.IsZero():
		return Retired
	case e.unproven, !p.uses(e):
		return Unused
	case e.Purpose == Authority && p.currentAuthority() == e:
		return Active
	case e.Purpose != Authority && p.keys.of(e.Purpose, e.Service).current(p.now) == e:
		return Active
	case e.waiting() || e.ActiveFrom.After(p.now):
		return Waiting
	default:
		return Retired
	}
}

// uses reports whether the configuration asks for such a key.
func (p *plan) uses(e *storedKey) bool {
	switch e.Purpose {
	case Own:
		return slices.Contains(p.options.Own, e.Service) && !(p.standalone() && p.options.alone())
	case KidOnly:
		return len(p.options.KidOnly) > 0 && !p.standalone()
	case Authority:
		return p.external == nil
	default:
		return !p.standalone()
	}
}

func describeCertificate(cert *x509.Certificate) KeyInfo {
	algorithm, _ := algorithmOf(cert.PublicKey) // empty where there is none
	return KeyInfo{
		Subject:     cert.Subject.String(),
		Fingerprint: Fingerprint(cert),
		Algorithm:   algorithm,
		NotBefore:   cert.NotBefore,
		NotAfter:    cert.NotAfter,
	}
}

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
	// ServiceKeys is when the certificate of the key in use ends, for each service
	// that does not use the shared one and has a key that can sign.
	ServiceKeys map[string]time.Time
	// AuthorityNotAfter is when the authority in use ends, zero when there is
	// none because an external certificate signs tokens itself.
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
		ServiceKeys:       make(map[string]time.Time, len(v.special)),
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
	for service, t := range v.special {
		if s := t.at(r.now()); s != nil {
			stats.ServiceKeys[service] = s.key.Chain[0].NotAfter
		}
	}
	return stats
}
