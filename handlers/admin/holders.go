package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
)

type holdersInput struct {
	PageInput
	Repository string `query:"repository" required:"true" minLength:"1" maxLength:"255" example:"team/app" doc:"The repository."`
	Actions    string `query:"actions" maxLength:"64" example:"push" doc:"Only permissions that give all of these, separated by commas. Default: any."`
}

type holdersOutput struct {
	Body adminapi.List[adminapi.Holder]
}

func (a *API) registerHolders(api huma.API) {
	huma.Register(api, operation(api, "list-holders", http.MethodGet, "/permissions", "List who was given something on a repository, and by which permission: groups, then robots and users", http.StatusOK), a.listHolders)
}

// listHolders pages through what the store reads at once.
func (a *API) listHolders(ctx context.Context, in *holdersInput) (*holdersOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	var wanted access.Actions
	if in.Actions != "" {
		if wanted, err = access.ParseActions(in.Actions); err != nil {
			return nil, a.problemOf(ctx, err)
		}
	}
	all, cut, err := a.config.Store.Holders(ctx, in.Repository)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	if cut {
		return nil, problem(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "too many permissions cover this repository, or nearly do, to list them: ask about one subject")
	}
	holders := make([]store.Holder, 0, len(all))
	for _, h := range all {
		if h.Permission.Actions.Implied().Has(wanted) && holderKey(h) > page.After {
			holders = append(holders, h)
		}
	}
	return &holdersOutput{list(in.PageInput, holders, holderOf, holderKey)}, nil
}

func holderOf(h store.Holder) adminapi.Holder {
	return adminapi.Holder{Subject: h.Ref, Disabled: h.Disabled, Permission: h.Permission, Actions: h.Permission.Actions.Implied().List()}
}

// holderKey is in the order of the list. No name holds a space.
func holderKey(h store.Holder) string {
	return string(h.Ref.Kind) + " " + h.Ref.Name + " " + h.Permission.String()
}
