package pki

import "slices"

// retire notes which keys another one has taken over from, and forgets the
// private keys of those that will not sign any more.
func (p *plan) retire() {
	mayForget := p.options.MayForget()
	for _, e := range p.keys {
		if e.Brought {
			continue
		}
		if successor := p.successor(e); successor != nil {
			e.RetiredAt = successor.ActiveFrom
			p.change(e)
		}
		// A node whose clock is behind may still need the key for a moment.
		retired := mayForget && !e.RetiredAt.IsZero() && p.now.After(e.RetiredAt.Add(margin))
		if (retired || e.revoked()) && len(e.PrivateKey) > 0 {
			e.PrivateKey, e.Sealing, e.signer = nil, "", nil
			p.change(e)
		}
	}
}

// successor is the key that has just taken over from another one, or nil.
func (p *plan) successor(e *entry) *entry {
	if e.waiting() || e.revoked() || !e.RetiredAt.IsZero() {
		return nil
	}
	for _, later := range p.keys.of(e.Purpose, e.Service).usable() {
		if !later.Brought && later.ActiveFrom.After(e.ActiveFrom) && !later.ActiveFrom.After(p.now) {
			return later
		}
	}
	return nil
}

// clean forgets what has been without use for long.
func (p *plan) clean() {
	if !p.options.MayForget() {
		return
	}
	p.keys = slices.DeleteFunc(p.keys, func(e *entry) bool {
		if !p.forgettable(e) {
			return false
		}
		p.removed = append(p.removed, e.ID)
		delete(p.changed, e.ID)
		return true
	})
}

func (p *plan) forgettable(e *entry) bool {
	since := e.RetiredAt
	switch {
	case e.revoked():
		since = e.RevokedAt
	case e.Brought && !p.isBrought(e):
		since = e.CreatedAt
	}
	if since.IsZero() || p.now.Before(since.Add(retention)) {
		return false
	}
	if e.Purpose != Authority {
		return p.now.After(since.Add(p.options.verification()))
	}
	return !slices.ContainsFunc(p.keys, func(leaf *entry) bool { return leaf.Issuer == e.ID })
}

// isBrought reports whether the key is the one from this node's file.
func (p *plan) isBrought(e *entry) bool {
	return p.brought != nil && samePublicKey(p.brought.signer.Public(), e.cert.PublicKey)
}
