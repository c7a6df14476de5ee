package pki

import (
	"crypto/x509"
	"time"
)

// broughtHistory is the certificate from the file, and those it had before
// while their tokens may still be valid.
type broughtHistory struct {
	content [32]byte
	current *pair
	since   time.Time
	before  []formerPair
}

// formerPair is a certificate that the file does not hold any more.
type formerPair struct {
	*pair
	since   time.Time
	retired time.Time
}

// replace takes another pair into use.
func (b *broughtHistory) replace(p *pair, content [32]byte, now time.Time) {
	if b.current != nil {
		b.before = append([]formerPair{{b.current, b.since, now}}, b.before...)
	}
	b.current, b.content, b.since = p, content, now
}

// forget drops the certificates of which no token can be valid any more.
func (b *broughtHistory) forget(now time.Time, verification time.Duration) {
	var kept []formerPair
	for _, former := range b.before {
		if !now.After(former.retired.Add(verification)) {
			kept = append(kept, former)
		}
	}
	b.before = kept
}

// standaloneTrust: registries trust the brought certificate itself.
func (p *plan) standaloneTrust(brought *broughtHistory) (*trust, error) {
	var b trustBuilder
	key, err := NewSigningKey(brought.current.signer, brought.current.cert)
	if err != nil {
		return nil, err
	}
	b.trust.slots = []slot{{
		key:   key,
		from:  brought.since,
		until: brought.current.cert.NotAfter.Add(-p.options.verification()),
	}}
	b.anchor(brought.current.cert)
	b.vouch(key)
	if err := b.verify(brought.current.cert); err != nil {
		return nil, err
	}
	if err := b.former(brought); err != nil {
		return nil, err
	}
	return b.build(), nil
}

// former keeps the certificates that the file held before.
func (b *trustBuilder) former(brought *broughtHistory) error {
	if brought == nil {
		return nil
	}
	for _, former := range brought.before {
		if former.cert.IsCA {
			continue // its leaves stand in the store
		}
		b.anchor(former.cert)
		if err := b.verify(former.cert); err != nil {
			return err
		}
		key, err := NewSigningKey(former.signer, former.cert)
		if err != nil {
			return err
		}
		b.vouch(key)
	}
	return nil
}

func (b *broughtHistory) inventory() []KeyInfo {
	describe := func(cert *x509.Certificate, since time.Time) KeyInfo {
		info := describeCertificate(cert)
		info.ID, _ = thumbprint(cert.PublicKey) // only keys that have one are loaded
		info.Purpose, info.State, info.Brought = Shared, Active, true
		info.CreatedAt, info.ActiveFrom = since, since
		return info
	}
	out := []KeyInfo{describe(b.current.cert, b.since)}
	for _, former := range b.before {
		info := describe(former.cert, former.since)
		info.State, info.RetiredAt = Retired, former.retired
		out = append(out, info)
	}
	return out
}
