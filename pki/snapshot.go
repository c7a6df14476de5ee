package pki

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// snapshot is everything that requests need of the keys at one time. It does not
// change once it is published.
type snapshot struct {
	version int64
	builtAt time.Time
	shared  *trust
	// special are the services that do not use the shared key.
	special   map[string]*trust
	inventory []KeyInfo
	// authority is when the authority in use ends, zero without one.
	authority time.Time
}

// of returns what a service uses.
func (v *snapshot) of(service string) *trust {
	if t, ok := v.special[service]; ok {
		return t
	}
	return v.shared
}

// trust is what one service signs with, and what its registry trusts.
type trust struct {
	// slots are in the order in which their keys take over.
	slots  []slot
	certs  []*x509.Certificate
	bundle []byte // certs in PEM
	keys   jose.JSONWebKeySet
	// signers are the keys that sign statements.
	signers    []*SigningKey
	statements statements
}

// slot is the time during which a key signs, if no later one takes over.
type slot struct {
	key         *SigningKey
	from, until time.Time
}

// at is the key that signs at a time, or nil. Before the first slot it is the
// first: the node that made it has a clock that is ahead.
func (t *trust) at(now time.Time) *slot {
	if len(t.slots) == 0 {
		return nil
	}
	found := &t.slots[0]
	for i := range t.slots[1:] {
		if next := &t.slots[i+1]; !next.from.After(now) {
			found = next
		}
	}
	if found.key == nil || now.After(found.until) {
		return nil
	}
	return found
}

// trustBuilder collects what goes into a trust.
type trustBuilder struct {
	trust trust
}

// sign adds a key that signs. Without its private key it takes its place in
// the order all the same, so that none before it is used instead.
func (b *trustBuilder) sign(e *storedKey, until time.Time) error {
	s := slot{from: e.ActiveFrom, until: until}
	if e.signer != nil {
		key, err := NewSigningKey(e.signer, e.cert)
		if err != nil {
			return err
		}
		s.key = key
	}
	b.trust.slots = append(b.trust.slots, s)
	return nil
}

// verify adds a key to the JWK set.
func (b *trustBuilder) verify(cert *x509.Certificate) error {
	algorithm, err := algorithmOf(cert.PublicKey)
	if err != nil {
		return err
	}
	id, err := thumbprint(cert.PublicKey)
	if err != nil {
		return err
	}
	if len(b.trust.keys.Key(id)) > 0 {
		return nil // a renewed certificate of the same key
	}
	b.trust.keys.Keys = append(b.trust.keys.Keys, jose.JSONWebKey{
		Key: cert.PublicKey, KeyID: id, Algorithm: algorithm, Use: "sig",
		// With it, a client that fetches both sees that the key stands under
		// the bundle.
		Certificates: []*x509.Certificate{cert},
	})
	return nil
}

// anchor adds a certificate to the bundle.
func (b *trustBuilder) anchor(cert *x509.Certificate) {
	if !slices.ContainsFunc(b.trust.certs, cert.Equal) {
		b.trust.certs = append(b.trust.certs, cert)
	}
}

func (b *trustBuilder) build() *trust {
	b.trust.bundle = encodeCertificates(b.trust.certs)
	if b.trust.keys.Keys == nil {
		b.trust.keys.Keys = []jose.JSONWebKey{}
	}
	return &b.trust
}

// snapshot lays out the keys of the plan for requests.
func (p *plan) snapshot(version int64, external *externalHistory) (*snapshot, error) {
	// Every node shows the same keys in the same order.
	p.keys = newKeyring(p.keys)
	v := &snapshot{version: version, builtAt: p.now, special: make(map[string]*trust)}
	var err error
	if p.standalone() {
		if v.shared, err = p.standaloneTrust(external); err != nil {
			return nil, err
		}
	} else {
		if v.shared, err = p.sharedTrust(external); err != nil {
			return nil, err
		}
		if len(p.options.KidOnly) > 0 {
			t, err := p.kidOnlyTrust()
			if err != nil {
				return nil, err
			}
			for _, service := range p.options.KidOnly {
				v.special[service] = t
			}
		}
		if issuer := p.currentAuthority(); issuer != nil {
			v.authority = issuer.cert.NotAfter
		}
	}
	for _, service := range p.options.Own {
		if p.standalone() && p.options.alone() {
			break
		}
		if v.special[service], err = p.ownTrust(service); err != nil {
			return nil, err
		}
	}
	v.inventory = p.inventory(external)
	return v, nil
}

// sharedTrust: registries trust authorities, tokens carry certificates.
func (p *plan) sharedTrust(external *externalHistory) (*trust, error) {
	var b trustBuilder
	series := p.keys.of(Shared, "")
	for _, e := range series.usable() {
		if err := b.sign(e, p.signsUntil(e)); err != nil {
			return nil, err
		}
	}
	for _, e := range p.verifiable(series) {
		if err := b.verify(e.cert); err != nil {
			return nil, err
		}
	}
	for _, e := range p.published() {
		b.anchor(e.cert)
	}
	if err := p.vouchAll(&b, series); err != nil {
		return nil, err
	}
	if err := b.former(external); err != nil {
		return nil, err
	}
	return b.build(), nil
}

// kidOnlyTrust: registries trust the keys themselves, long before their use.
func (p *plan) kidOnlyTrust() (*trust, error) {
	var b trustBuilder
	series := p.keys.of(KidOnly, "")
	for _, e := range series.usable() {
		if err := b.sign(e, p.signsUntil(e)); err != nil {
			return nil, err
		}
	}
	for _, e := range p.verifiable(series) {
		if err := b.verify(e.cert); err != nil {
			return nil, err
		}
		b.anchor(e.cert)
	}
	if err := p.vouchAll(&b, series); err != nil {
		return nil, err
	}
	return b.build(), nil
}

// ownTrust: the registry trusts one certificate, the one in use.
func (p *plan) ownTrust(service string) (*trust, error) {
	var b trustBuilder
	series := p.keys.of(Own, service)
	for _, e := range series.usable() {
		if err := b.sign(e, p.signsUntil(e)); err != nil {
			return nil, err
		}
	}
	if current := series.current(p.now); current != nil {
		b.anchor(current.cert)
	}
	for _, e := range p.verifiable(series) {
		if err := b.verify(e.cert); err != nil {
			return nil, err
		}
	}
	if err := p.vouchAll(&b, series); err != nil {
		return nil, err
	}
	return b.build(), nil
}

// verifiable leaves out the keys of which no valid token can exist any more:
// the one in use comes first, then what will follow it, then what was before.
func (p *plan) verifiable(series keyring) keyring {
	var before, after keyring
	for _, e := range series {
		switch {
		case !p.verifies(e):
		case e.RetiredAt.IsZero():
			after = append(after, e)
		default:
			before = append(before, e)
		}
	}
	slices.SortStableFunc(after, func(a, b *storedKey) int {
		switch {
		case a.waiting() == b.waiting():
			return a.ActiveFrom.Compare(b.ActiveFrom)
		case a.waiting():
			return 1
		default:
			return -1
		}
	})
	return append(after, before...)
}

// verifies reports whether a token signed with the key may be valid, now or
// later.
func (p *plan) verifies(e *storedKey) bool {
	if e.revoked() || e.unproven || p.now.After(e.cert.NotAfter) {
		return false
	}
	return e.RetiredAt.IsZero() || !p.now.After(e.RetiredAt.Add(p.options.verification()))
}

// currentAuthority is the authority that signs new certificates, or nil.
func (p *plan) currentAuthority() *storedKey {
	if p.external == nil {
		return p.authorities().current(p.now)
	}
	for _, e := range p.keys.of(Authority, "") {
		if p.isExternal(e) {
			return e
		}
	}
	return nil
}

// published are the authorities that registries are to trust: the one in use,
// the one after it, those brought to another node a short while ago, and those
// under which a key still verifies.
func (p *plan) published() keyring {
	var first, rest keyring
	current := p.currentAuthority()
	for _, e := range p.keys.of(Authority, "") {
		switch {
		case e.revoked() || e.unproven || p.now.After(e.cert.NotAfter):
		case e == current:
			first = append(first, e)
		case e.waiting() && p.external == nil,
			e.External && p.external != nil && p.now.Before(e.CreatedAt.Add(p.options.LeafLife)),
			slices.ContainsFunc(p.keys, func(leaf *storedKey) bool { return leaf.Issuer == e.ID && p.verifies(leaf) }):
			rest = append(rest, e)
		}
	}
	return append(first, rest...)
}
