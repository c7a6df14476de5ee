package pki

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
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
			return r.broughtError()
		case service == "":
			replaced = []Purpose{Shared}
			if len(p.options.KidOnly) > 0 {
				replaced = append(replaced, KidOnly)
			}
		case slices.Contains(p.options.Own, service) && !(p.standalone() && p.options.alone()):
			replaced = []Purpose{Own}
		case p.standalone():
			return r.broughtError()
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
func (p *plan) replace(purpose Purpose, service string) (*entry, error) {
	if purpose == Own {
		return p.makeOwn(service)
	}
	lane := p.keys.of(purpose, "")
	if purpose == KidOnly {
		return p.promote(lane.waiting(), p.makeKidOnly)
	}
	issuer, err := p.issuer()
	if err != nil {
		return nil, err
	}
	for _, e := range lane.usable() {
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
		if p.brought != nil {
			return r.broughtError()
		}
		lane := p.authorities()
		current, waiting := lane.current(p.now), lane.waiting()
		if len(waiting) == 0 || current == nil {
			return fmt.Errorf("%w: there is no next certificate authority", ErrNoSigningKey)
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
func (p *plan) switchAuthority() (*entry, error) {
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

func (r *Ring) broughtError() error {
	return fmt.Errorf("%w: replace %s", ErrBrought, r.files)
}
