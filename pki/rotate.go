package pki

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
)

// authoritySettles is how long the next authority is published at least before
// it takes over, unless it has been there from the first day.
const authoritySettles = 24 * time.Hour

// ErrNextAuthorityTooNew is returned when registries have had little time to
// hear of the authority that is to take over.
var ErrNextAuthorityTooNew = errors.New("next certificate authority has been published for too short a time")

// Rotation is what changed when a key was replaced on request.
type Rotation struct {
	// Keys are those now in use in place of others.
	Keys []KeyInfo

	// Reload are the services whose registries have to be given what they
	// trust again, with a restart.
	Reload []string

	// ReloadNow is set when those registries refuse tokens until then. Else
	// it is in time before the same is done once more.
	ReloadNow bool

	// AcceptedUntil is how long registries go on accepting the tokens of a
	// revoked key by themselves, because they trust the authority above it.
	// It is zero where that is not so.
	AcceptedUntil time.Time
}

// Rotate replaces keys that sign tokens now, instead of when they are due.
//
// Without a service it replaces every key whose successor registries trust
// already. With one it replaces the key of that service, which other services
// may share. A service with a key of its own trusts nothing else: its registry
// refuses tokens until it is given the new certificate.
func (r *Ring) Rotate(ctx context.Context, service string) (Rotation, error) {
	var rotation Rotation
	err := r.update(ctx, updateRequest{apply: func(p *plan) error {
		rotation = Rotation{}
		var replaced []Purpose
		switch {
		case service == "" && p.standalone():
			return r.externalError()
		case service == "":
			replaced = []Purpose{Shared}
			if len(p.options.KidOnly) > 0 {
				replaced = append(replaced, KidOnly)
			}
		case slices.Contains(p.options.Own, service) && !(p.standalone() && p.options.alone()):
			replaced = []Purpose{Own}
		case p.standalone():
			return r.externalError()
		case slices.Contains(p.options.KidOnly, service):
			replaced = []Purpose{KidOnly}
		default:
			replaced = []Purpose{Shared}
		}
		for _, purpose := range replaced {
			e, err := p.replace(purpose, service)
			if err != nil {
				return err
			}
			if purpose == KidOnly {
				rotation.Reload = slices.Clone(p.options.KidOnly)
			}
			if purpose == Own {
				rotation.Reload, rotation.ReloadNow = []string{service}, true
			}
			rotation.Keys = append(rotation.Keys, p.describe(e))
		}
		return nil
	}})
	return rotation, err
}

// replace lets another key take over now: the one that is to follow if there
// is one, because registries may know it already.
func (p *plan) replace(purpose Purpose, service string) (*storedKey, error) {
	if purpose == Own {
		return p.makeOwn(service)
	}
	series := p.keys.of(purpose, "")
	if purpose == KidOnly {
		return p.promote(series.waiting(), p.makeKidOnly)
	}
	issuer, err := p.issuer()
	if err != nil {
		return nil, err
	}
	for _, e := range series.usable() {
		if e.ActiveFrom.After(p.now) && e.Issuer == issuer.ID && e.signer != nil {
			e.ActiveFrom = p.now
			p.change(e)
			return e, nil
		}
	}
	return p.makeShared(p.now)
}

// RotateAuthority lets the next authority take over from the one in use, and
// makes the one after it. Registries know the next one from their bundle, so
// none of them has to restart; but each is to be given the new bundle before
// this is done again.
//
// The next authority must have been published for a day, or from the first
// start on; force does without.
func (r *Ring) RotateAuthority(ctx context.Context, force bool) (Rotation, error) {
	var rotation Rotation
	err := r.update(ctx, updateRequest{apply: func(p *plan) error {
		rotation = Rotation{}
		if p.external != nil {
			return r.externalError()
		}
		series := p.authorities()
		current, waiting := series.current(p.now), series.waiting()
		if len(waiting) == 0 || current == nil {
			return fmt.Errorf("%w: there is no next certificate authority", errNoSigningKey)
		}
		next := waiting[0]
		if since := p.now.Sub(next.CreatedAt); !force && next.CreatedAt.After(current.CreatedAt) && since < authoritySettles {
			return fmt.Errorf("%w: %s; give every registry the present bundle, then force it, or wait until %s",
				ErrNextAuthorityTooNew, since.Round(time.Second), next.CreatedAt.Add(authoritySettles).Format(time.RFC3339))
		}
		authority, err := p.switchAuthority()
		if err != nil {
			return err
		}
		leaf := p.keys.of(Shared, "").current(p.now)
		rotation.Keys = []KeyInfo{p.describe(authority), p.describe(leaf)}
		rotation.Reload = slices.Clone(p.options.Services)
		return nil
	}})
	return rotation, err
}

// switchAuthority lets the next authority take over, together with a signing
// key under it.
func (p *plan) switchAuthority() (*storedKey, error) {
	authority, err := p.promote(p.authorities().waiting(), p.makeAuthority)
	if err != nil {
		return nil, err
	}
	if _, err := p.makeAuthority(); err != nil {
		return nil, err
	}
	// A key that is due later still stands under the authority before.
	for _, e := range p.keys.of(Shared, "").usable() {
		if e.ActiveFrom.After(p.now) {
			e.RetiredAt = p.now
			p.change(e)
		}
	}
	_, err = p.makeShared(p.now)
	return authority, err
}

func (r *Ring) externalError() error {
	return fmt.Errorf("%w: replace %s", ErrExternal, r.files)
}

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
		case e == nil && p.standalone() && slices.ContainsFunc(r.external.inventory(), func(k KeyInfo) bool { return k.ID == id }),
			e != nil && p.isExternal(e):
			return r.externalError()
		case e == nil:
			return fmt.Errorf("%w: %q", ErrUnknownKey, printable.Clip(id))
		case e.revoked():
			return nil
		}
		return p.revoke(e, &rotation)
	}})
	return rotation, err
}

func (p *plan) revoke(e *storedKey, rotation *Rotation) error {
	wasCurrent := p.keys.of(e.Purpose, e.Service).current(p.now) == e
	if e.Purpose == Authority {
		wasCurrent = p.currentAuthority() == e
	}
	e.RevokedAt = p.now
	p.change(e)
	var (
		next *storedKey
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
func (p *plan) revokeAuthority(e *storedKey, wasCurrent bool, rotation *Rotation) error {
	rotation.Reload = slices.Clone(p.options.Services)
	current := p.keys.of(Shared, "").current(p.now)
	for _, leaf := range p.keys {
		if leaf.Issuer == e.ID && !leaf.revoked() {
			leaf.RevokedAt = p.now
			p.change(leaf)
		}
	}
	if wasCurrent && p.external == nil {
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

// retire notes which keys another one has taken over from, and forgets the
// private keys of those that will not sign any more.
func (p *plan) retire() {
	mayForget := p.options.MayForget()
	for _, e := range p.keys {
		if e.External {
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
func (p *plan) successor(e *storedKey) *storedKey {
	if e.waiting() || e.revoked() || !e.RetiredAt.IsZero() {
		return nil
	}
	for _, later := range p.keys.of(e.Purpose, e.Service).usable() {
		if !later.External && later.ActiveFrom.After(e.ActiveFrom) && !later.ActiveFrom.After(p.now) {
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
	p.keys = slices.DeleteFunc(p.keys, func(e *storedKey) bool {
		if !p.forgettable(e) {
			return false
		}
		p.removed = append(p.removed, e.ID)
		delete(p.changed, e.ID)
		return true
	})
}

func (p *plan) forgettable(e *storedKey) bool {
	since := e.RetiredAt
	switch {
	case e.revoked():
		since = e.RevokedAt
	case e.External && !p.isExternal(e):
		since = e.CreatedAt
	}
	if since.IsZero() || p.now.Before(since.Add(retention)) {
		return false
	}
	if e.Purpose != Authority {
		return p.now.After(since.Add(p.options.verification()))
	}
	return !slices.ContainsFunc(p.keys, func(leaf *storedKey) bool { return leaf.Issuer == e.ID })
}

// isExternal reports whether the key is the one from this node's file.
func (p *plan) isExternal(e *storedKey) bool {
	return p.external != nil && samePublicKey(p.external.signer.Public(), e.cert.PublicKey)
}
