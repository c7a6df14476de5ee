package pki

import (
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
)

const (
	// keysAhead is how many keys that are known by their ID alone are
	// published before they are used: that often the key can change before a
	// registry has to read them again.
	keysAhead = 5

	// kidOnlyPeriod is when the next of these takes over by itself. With five
	// of them ahead, a registry has five years to read them once.
	kidOnlyPeriod = 365 * 24 * time.Hour

	// retention is how long a key without further use is still listed.
	retention = 30 * 24 * time.Hour
)

// plan decides what is to change among the keys. It has no effect by itself:
// what it decided is written only when no other node was faster.
type plan struct {
	options Options
	seals   sealer
	now     time.Time
	keys    keyring
	// external is the pair from the file, or nil.
	external *pair
	// start is set when the process starts: only then does the configuration
	// win over what is there, or nodes that differ in it would undo each
	// other's work for ever.
	start bool

	changed map[string]bool
	removed []string
	made    []*storedKey
	adopted []*storedKey
}

// standalone reports whether the external certificate signs tokens itself.
func (p *plan) standalone() bool { return p.external != nil && !p.external.cert.IsCA }

// reconcile brings the keys to what they should be now.
func (p *plan) reconcile() error {
	if p.start {
		if err := p.reseal(); err != nil {
			return err
		}
	}
	if !p.standalone() {
		if err := p.reconcileAuthority(); err != nil {
			return err
		}
		if err := p.reconcileShared(); err != nil {
			return err
		}
		if len(p.options.KidOnly) > 0 {
			if err := p.reconcileKidOnly(); err != nil {
				return err
			}
		}
	}
	for _, service := range p.options.Own {
		if p.standalone() && p.options.alone() {
			break
		}
		if err := p.reconcileOwn(service); err != nil {
			return err
		}
	}
	p.retire()
	p.clean()
	return nil
}

// alone reports whether there is one service at most, so that a key cannot be
// shared.
func (o Options) alone() bool { return len(o.Own) == 1 && len(o.Services)+len(o.KidOnly) == 0 }

func (p *plan) reconcileAuthority() error {
	if p.external != nil {
		return p.reconcileExternal()
	}
	series := p.authorities()
	if series.current(p.now) == nil {
		if _, err := p.promote(series.waiting(), p.makeAuthority); err != nil {
			return err
		}
	}
	if len(p.authorities().waiting()) == 0 {
		if _, err := p.makeAuthority(); err != nil {
			return err
		}
	}
	return nil
}

// authorities are the ones that Dockit made.
func (p *plan) authorities() keyring {
	var out keyring
	for _, e := range p.keys.of(Authority, "") {
		if !e.External {
			out = append(out, e)
		}
	}
	return out
}

// reconcileExternal makes the authority from the file known to every node, and so
// part of every bundle, before anything is signed under it.
func (p *plan) reconcileExternal() error {
	id, err := thumbprint(p.external.cert.PublicKey)
	if err != nil {
		return err
	}
	e := p.keys.find(id)
	switch {
	case e == nil:
		e = &storedKey{
			Record: Record{ID: id, Purpose: Authority, External: true, CreatedAt: p.now, ActiveFrom: p.now},
		}
		p.keys = append(p.keys, e)
	case e.Purpose != Authority || !e.External:
		return fmt.Errorf("%w: the key of %q is already used by Dockit for something else",
			errKeyInUse, printable.Clip(p.external.cert.Subject.String()))
	case e.revoked():
		return fmt.Errorf("%w: %q", errRevoked, printable.Clip(p.external.cert.Subject.String()))
	case !e.unproven && !e.cert.NotAfter.Before(p.external.cert.NotAfter):
		// Unchanged, or this node has not seen the renewal yet.
		return nil
	}
	e.cert, e.Certificate, e.unproven = p.external.cert, p.external.cert.Raw, false
	p.change(e)
	return nil
}

// issuer is the authority that signs new certificates.
func (p *plan) issuer() (*storedKey, error) {
	if p.external != nil {
		id, err := thumbprint(p.external.cert.PublicKey)
		if err != nil {
			return nil, err
		}
		e := *p.keys.find(id)
		e.cert, e.signer = p.external.cert, p.external.signer
		return &e, nil
	}
	e := p.authorities().current(p.now)
	if e == nil || e.signer == nil {
		return nil, fmt.Errorf("%w: the key of the certificate authority cannot be read", errNoSigningKey)
	}
	return e, nil
}

// reconcileShared follows the life of a signing certificate: its successor is
// made at half of it, and takes over at two thirds.
func (p *plan) reconcileShared() error {
	series := p.keys.of(Shared, "")
	current := series.current(p.now)
	if current == nil || p.now.After(p.signsUntil(current)) {
		_, err := p.makeShared(p.now)
		return err
	}
	if p.start {
		fits, err := p.fits(current)
		if err != nil {
			return err
		}
		if !fits {
			_, err := p.makeShared(p.now)
			return err
		}
	}
	usable := series.usable()
	if usable[len(usable)-1] != current {
		return nil // the successor is there
	}
	life := current.life()
	if p.now.Before(current.CreatedAt.Add(life / 2)) {
		return nil
	}
	takeover := p.now.Add(life / 6)
	if last := p.signsUntil(current); takeover.After(last) {
		takeover = last
	}
	_, err := p.makeShared(takeover)
	return err
}

// fits reports whether a shared key is what the configuration asks for.
func (p *plan) fits(e *storedKey) (bool, error) {
	issuer, err := p.issuer()
	if err != nil {
		return false, err
	}
	return e.Issuer == issuer.ID && p.options.KeyType.matches(e.cert.PublicKey), nil
}

// signsUntil is when the last token may be signed with a key, so that the
// certificate outlives it.
func (p *plan) signsUntil(e *storedKey) time.Time {
	return e.cert.NotAfter.Add(-p.options.verification())
}

func (p *plan) reconcileKidOnly() error {
	series := p.keys.of(KidOnly, "")
	current := series.current(p.now)
	if current == nil || !p.now.Before(current.ActiveFrom.Add(kidOnlyPeriod)) {
		if _, err := p.promote(series.waiting(), p.makeKidOnly); err != nil {
			return err
		}
	}
	for len(p.keys.of(KidOnly, "").waiting()) < keysAhead {
		if _, err := p.makeKidOnly(); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) reconcileOwn(service string) error {
	if p.keys.of(Own, service).current(p.now) != nil {
		return nil
	}
	_, err := p.makeOwn(service)
	return err
}

// promote lets the key that waited longest take over now, or a new one.
func (p *plan) promote(waiting keyring, generate func() (*storedKey, error)) (*storedKey, error) {
	var next *storedKey
	if len(waiting) > 0 {
		next = waiting[0]
	} else {
		e, err := generate()
		if err != nil {
			return nil, err
		}
		next = e
	}
	next.ActiveFrom = p.now
	p.change(next)
	return next, nil
}

func (p *plan) makeAuthority() (*storedKey, error) {
	cert, signer, err := newAuthority(p.now)
	if err != nil {
		return nil, err
	}
	return p.add(newEntry(Authority, "", cert, signer, p.seals, p.now))
}

func (p *plan) makeShared(activeFrom time.Time) (*storedKey, error) {
	issuer, err := p.issuer()
	if err != nil {
		return nil, err
	}
	notAfter := p.now.Add(p.options.LeafLife)
	if notAfter.After(issuer.cert.NotAfter) {
		notAfter = issuer.cert.NotAfter
	}
	if least := 3 * p.options.verification(); notAfter.Sub(p.now) < least {
		return nil, fmt.Errorf("%w: %q ends at %s", ErrAuthorityExpires,
			printable.Clip(issuer.cert.Subject.String()), issuer.cert.NotAfter.UTC().Format(time.RFC3339))
	}
	cert, signer, err := newLeaf(p.options.KeyType, issuer.cert, issuer.signer, p.now, notAfter)
	if err != nil {
		return nil, err
	}
	e, err := p.add(newEntry(Shared, "", cert, signer, p.seals, p.now))
	if err != nil {
		return nil, err
	}
	e.Issuer, e.ActiveFrom = issuer.ID, activeFrom
	return e, nil
}

func (p *plan) makeKidOnly() (*storedKey, error) {
	cert, signer, err := newStandalone(p.options.KeyType, p.now)
	if err != nil {
		return nil, err
	}
	return p.add(newEntry(KidOnly, "", cert, signer, p.seals, p.now))
}

func (p *plan) makeOwn(service string) (*storedKey, error) {
	cert, signer, err := newStandalone(p.options.KeyType, p.now)
	if err != nil {
		return nil, err
	}
	e, err := p.add(newEntry(Own, service, cert, signer, p.seals, p.now))
	if err != nil {
		return nil, err
	}
	e.ActiveFrom = p.now
	return e, nil
}

func (p *plan) add(e *storedKey, err error) (*storedKey, error) {
	if err != nil {
		return nil, err
	}
	p.keys = append(p.keys, e)
	p.made = append(p.made, e)
	p.change(e)
	return e, nil
}

func (p *plan) change(e *storedKey) {
	if p.changed == nil {
		p.changed = make(map[string]bool)
	}
	p.changed[e.ID] = true
}

// reseal seals every private key under the encryption key of this node, and
// authenticates what stands beside it.
func (p *plan) reseal() error {
	for _, e := range p.keys {
		if e.unproven || p.seals.settled(&e.Record) {
			continue
		}
		if len(e.PrivateKey) > 0 {
			der, err := p.seals.open(&e.Record)
			if err != nil {
				return err
			}
			if e.Sealing == "" {
				p.adopted = append(p.adopted, e)
			}
			p.seals.seal(&e.Record, der)
		}
		p.change(e)
	}
	return nil
}

// put lists the records to write.
func (p *plan) put() []Record {
	var out []Record
	for _, e := range p.keys {
		if p.changed[e.ID] {
			if !e.unproven {
				p.seals.authenticate(&e.Record)
			}
			out = append(out, e.Record)
		}
	}
	return out
}
