package pki

import (
	"context"
	"fmt"
	"slices"
)

// Revoke declares a key unfit for use: it signs nothing from now on, nothing
// is verified with it, and where it was in use the next one takes over.
//
// Registries do not hear of it by themselves. One that trusts an authority
// accepts the tokens of a revoked signing key until its certificate ends,
// unless the authority is revoked as well; and one that was given a revoked
// certificate trusts it until it is given the new bundle. The services of
// those registries are in the returned rotation.
func (r *Ring) Revoke(ctx context.Context, id string) (Rotation, error) {
	var rotation Rotation
	err := r.update(ctx, updateRequest{apply: func(p *plan) error {
		rotation = Rotation{}
		e := p.keys.find(id)
		switch {
		case e == nil && p.standalone() && slices.ContainsFunc(r.brought.inventory(), func(k KeyInfo) bool { return k.ID == id }),
			e != nil && p.isBrought(e):
			return r.broughtError()
		case e == nil:
			return fmt.Errorf("%w: %q", ErrUnknownKey, clip(id))
		case e.revoked():
			return nil
		}
		return p.revoke(e, &rotation)
	}})
	return rotation, err
}

func (p *plan) revoke(e *entry, rotation *Rotation) error {
	wasCurrent := p.keys.of(e.Purpose, e.Service).current(p.now) == e
	if e.Purpose == Authority {
		wasCurrent = p.currentAuthority() == e
	}
	e.RevokedAt = p.now
	p.change(e)
	var (
		next *entry
		err  error
	)
	switch e.Purpose {
	case Authority:
		return p.revokeAuthority(e, wasCurrent, rotation)
	case KidOnly:
		rotation.Reload = slices.Clone(p.options.KidOnly)
		if wasCurrent {
			next, err = p.replace(KidOnly, "")
		}
	case Own:
		rotation.Reload = []string{e.Service}
		if wasCurrent && slices.Contains(p.options.Own, e.Service) {
			rotation.ReloadNow = true
			next, err = p.makeOwn(e.Service)
		}
	case Shared:
		rotation.AcceptedUntil = e.cert.NotAfter
		if wasCurrent && !p.standalone() {
			next, err = p.replace(Shared, "")
		}
	}
	if err == nil && next != nil {
		rotation.Keys = []KeyInfo{p.describe(next)}
	}
	return err
}

// revokeAuthority revokes every key under the authority with it.
func (p *plan) revokeAuthority(e *entry, wasCurrent bool, rotation *Rotation) error {
	rotation.Reload = slices.Clone(p.options.Services)
	current := p.keys.of(Shared, "").current(p.now)
	for _, leaf := range p.keys {
		if leaf.Issuer == e.ID && !leaf.revoked() {
			leaf.RevokedAt = p.now
			p.change(leaf)
		}
	}
	if wasCurrent && p.brought == nil {
		authority, err := p.switchAuthority()
		if err != nil {
			return err
		}
		leaf := p.keys.of(Shared, "").current(p.now)
		rotation.Keys = []KeyInfo{p.describe(authority), p.describe(leaf)}
		return nil
	}
	if current != nil && current.revoked() && !p.standalone() {
		leaf, err := p.replace(Shared, "")
		if err != nil {
			return err
		}
		rotation.Keys = []KeyInfo{p.describe(leaf)}
	}
	return nil
}
