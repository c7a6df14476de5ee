package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

type ownedInput struct {
	NameInput
	PageInput
}

type permissionsOutput struct {
	Body adminapi.List[adminapi.Permission]
}

type grantedOutput struct {
	Body adminapi.Granted
}

type effectiveOutput struct {
	Body adminapi.List[adminapi.EffectivePermission]
}

type revocationOutput struct {
	Body adminapi.Revocation
}

// DryRunInput asks for what a change would do. It is exported because huma does not
// see what is embedded otherwise.
type DryRunInput struct {
	DryRun bool `query:"dry_run" doc:"Change nothing, and say what it would do to whom."`
}

type grantInput struct {
	NameInput
	DryRunInput
	Body adminapi.Permission
}

type revokeInput struct {
	NameInput
	DryRunInput
	Permission access.Permission `query:"permission" required:"true" maxLength:"512" example:"repository:team/*:push" doc:"<type>:<name>:<actions>"`
}

func (a *API) registerPermissions(api huma.API) {
	for _, kind := range subject.Kinds {
		path := "/" + kind.Plural() + "/{name}/permissions"
		ref := func(in NameInput) subject.Ref { return subject.Ref{Kind: kind, Name: in.Name} }
		huma.Register(api, operation(api, "list-permissions-of-"+string(kind), http.MethodGet, path, "List what a "+string(kind)+" itself was given", http.StatusOK),
			func(ctx context.Context, in *ownedInput) (*permissionsOutput, error) {
				return a.listPermissions(ctx, ref(in.NameInput), in.PageInput)
			})
		huma.Register(api, operation(api, "grant-to-"+string(kind), http.MethodPost, path, "Give a "+string(kind)+" a permission, in addition to what it has: answers with what it has now for that type and name", http.StatusOK),
			func(ctx context.Context, in *grantInput) (*grantedOutput, error) {
				if in.DryRun {
					return a.tryGrant(ctx, ref(in.NameInput), in.Body.Permission)
				}
				return a.grant(ctx, ref(in.NameInput), in.Body.Permission)
			})
		huma.Register(api, operation(api, "revoke-from-"+string(kind), http.MethodDelete, path, "Take a permission, or some of its actions, from a "+string(kind), http.StatusOK),
			func(ctx context.Context, in *revokeInput) (*revocationOutput, error) {
				if in.DryRun {
					return a.tryRevoke(ctx, ref(in.NameInput), in.Permission)
				}
				return a.revoke(ctx, ref(in.NameInput), in.Permission)
			})
		huma.Register(api, operation(api, "list-effective-permissions-of-"+string(kind), http.MethodGet, "/"+kind.Plural()+"/{name}/effective-permissions", "List what a "+string(kind)+" can use, with its origin", http.StatusOK),
			func(ctx context.Context, in *ownedInput) (*effectiveOutput, error) {
				return a.listEffective(ctx, ref(in.NameInput), in.PageInput)
			})
	}
}

func (a *API) listPermissions(ctx context.Context, ref subject.Ref, in PageInput) (*permissionsOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	held, err := a.config.Store.Permissions(ctx, ref, page)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return &permissionsOutput{list(in, held,
		func(p access.Permission) adminapi.Permission { return adminapi.Permission{Permission: p} },
		func(p access.Permission) string { return string(p.Type) + ":" + p.Name })}, nil
}

func (a *API) grant(ctx context.Context, ref subject.Ref, p access.Permission) (*grantedOutput, error) {
	held, err := a.config.Store.Grant(ctx, ref, p)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	out := &grantedOutput{adminapi.Granted{Permission: adminapi.Permission{Permission: held}}}
	if p.Actions&(access.Push|access.Delete) == 0 {
		return out, nil
	}
	warnings, err := a.config.Store.UnprotectedBy(ctx, ref)
	if err != nil { // the grant holds all the same
		a.config.Logger.Error("cannot look for bindings that a grant leaves unprotected", zap.Stringer("subject", ref), zap.Error(err))
	}
	out.Body.Warnings = texts(warnings)
	return out, nil
}

func (a *API) revoke(ctx context.Context, ref subject.Ref, p access.Permission) (*revocationOutput, error) {
	remaining, err := a.config.Store.Revoke(ctx, ref, p)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	out := &revocationOutput{}
	if remaining.Actions != 0 {
		out.Body.Remaining = &remaining
	}
	return out, nil
}

// listEffective pages through what the store reads at once, for every token
// reads as much.
func (a *API) listEffective(ctx context.Context, ref subject.Ref, in PageInput) (*effectiveOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	effective, err := a.config.Store.EffectivePermissions(ctx, ref)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	slices.SortStableFunc(effective, func(x, y store.Effective) int { return strings.Compare(effectiveKey(x), effectiveKey(y)) })
	for len(effective) > 0 && effectiveKey(effective[0]) <= page.After {
		effective = effective[1:]
	}
	return &effectiveOutput{list(in, effective, effectiveOf, effectiveKey)}, nil
}

func effectiveOf(e store.Effective) adminapi.EffectivePermission {
	return adminapi.EffectivePermission{Via: e.Via, Permission: e.Permission}
}

// effectiveKey is unique among the permissions of one subject. No name holds
// a space.
func effectiveKey(e store.Effective) string {
	return e.Via.String() + " " + string(e.Type) + ":" + e.Name
}
