package admin

import (
	"context"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// tryGrant answers as grant would, with the effects.
func (a *API) tryGrant(ctx context.Context, ref subject.Ref, p access.Permission) (*grantedOutput, error) {
	effects, err := a.config.Store.GrantEffects(ctx, ref, p)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return &grantedOutput{adminapi.Granted{Permission: adminapi.Permission{Permission: effects.Permission}, Effects: effectsOf(effects)}}, nil
}

// tryRevoke answers as revoke would, with the effects.
func (a *API) tryRevoke(ctx context.Context, ref subject.Ref, p access.Permission) (*revocationOutput, error) {
	effects, err := a.config.Store.RevokeEffects(ctx, ref, p)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	out := &revocationOutput{adminapi.Revocation{Effects: effectsOf(effects)}}
	if effects.Permission.Actions != 0 {
		out.Body.Remaining = &effects.Permission
	}
	return out, nil
}

func effectsOf(e store.Effects) *adminapi.Effects {
	effects := &adminapi.Effects{Changes: make([]adminapi.Effect, 0, len(e.Effects)), Same: e.Same, Disabled: e.Disabled}
	for _, one := range e.Effects {
		effects.Changes = append(effects.Changes, adminapi.Effect{
			Gained: one.Gained.List(), Lost: one.Lost.List(), Users: one.Users, Robots: one.Robots, Some: one.Some,
		})
	}
	return effects
}
