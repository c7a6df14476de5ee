package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/store"
)

type bindingsInput struct {
	PrefixInput
	Issuer string `query:"issuer" maxLength:"128" doc:"Only those of this issuer."`
	Robot  string `query:"robot" maxLength:"128" example:"ci" doc:"Only those that stand for this robot."`
}

type bindingsOutput struct {
	Body adminapi.List[adminapi.Binding]
}

type bindingOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     adminapi.Binding
}

func (a *API) registerBindings(api huma.API) {
	const one = "/bindings/{name}"
	huma.Register(api, operation(api, "list-bindings", http.MethodGet, "/bindings", "List the bindings by name", http.StatusOK), a.listBindings)
	huma.Register(api, operation(api, "create-binding", http.MethodPost, "/bindings", "Say which tokens of an issuer stand for a robot", http.StatusCreated),
		func(ctx context.Context, in *struct{ Body adminapi.NewBinding }) (*bindingOutput, error) {
			return a.createBinding(ctx, in.Body)
		})
	huma.Register(api, operation(api, "get-binding", http.MethodGet, one, "Show a binding", http.StatusOK),
		func(ctx context.Context, in *NameInput) (*bindingOutput, error) { return a.showBinding(ctx, in.Name) })
	huma.Register(api, operation(api, "update-binding", http.MethodPatch, one, "Disable or enable a binding", http.StatusOK),
		func(ctx context.Context, in *struct {
			NameInput
			MatchInput
			Body adminapi.BindingChange
		},
		) (*bindingOutput, error) {
			pre, err := in.precondition()
			if err != nil {
				return nil, err
			}
			if in.Body.Disabled == nil {
				return a.showBinding(ctx, in.Name)
			}
			if err := a.passwordAgain(ctx); err != nil {
				return nil, err
			}
			updated, warnings, err := a.config.Store.SetBindingDisabled(ctx, in.Name, *in.Body.Disabled, pre)
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return bindingShown(updated, warnings), nil
		})
	huma.Register(api, operation(api, "delete-binding", http.MethodDelete, one, "Remove a binding", http.StatusNoContent),
		func(ctx context.Context, in *deleteInput) (*struct{}, error) {
			pre, err := in.precondition()
			if err == nil {
				err = a.passwordAgain(ctx)
			}
			if err == nil {
				if err := a.config.Store.DeleteBinding(ctx, in.Name, pre); err != nil {
					return nil, a.problemOf(ctx, err)
				}
			}
			return nil, err
		})
}

func (a *API) listBindings(ctx context.Context, in *bindingsInput) (*bindingsOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	page.Prefix = in.Prefix
	bindings, err := a.config.Store.Bindings(ctx, store.BindingFilter{Issuer: in.Issuer, Robot: in.Robot}, page)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return &bindingsOutput{list(in.PageInput, bindings, bindingOf, func(b store.Binding) string { return b.Name })}, nil
}

func (a *API) createBinding(ctx context.Context, n adminapi.NewBinding) (*bindingOutput, error) {
	if err := a.passwordAgain(ctx); err != nil {
		return nil, err
	}
	binding := federation.Binding{
		Name: n.Name, Issuer: n.Issuer, Robot: n.Robot, Scopes: n.Scopes, Session: seconds(n.Session),
		AllowUnprotected: n.AllowUnprotected, Disabled: n.Disabled,
	}
	for _, claim := range n.Claims {
		condition, err := federation.ParseCondition(claim)
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		binding.Claims = append(binding.Claims, condition)
	}
	for _, text := range n.Expose {
		exposure, err := federation.ParseExposure(text)
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		binding.Expose = append(binding.Expose, exposure)
	}
	created, warnings, err := a.config.Store.CreateBinding(ctx, binding)
	if err != nil {
		return nil, a.issuerProblem(ctx, err)
	}
	out := bindingShown(created, warnings)
	out.Location = adminapi.Prefix + "bindings/" + created.Name
	return out, nil
}

func (a *API) showBinding(ctx context.Context, name string) (*bindingOutput, error) {
	found, err := a.config.Store.Binding(ctx, name)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	warnings, err := a.config.Store.BindingWarnings(ctx, found)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return bindingShown(found, warnings), nil
}

func bindingShown(b store.Binding, warnings []federation.Warning) *bindingOutput {
	out := &bindingOutput{ETag: etagOf(b.Version), Body: bindingOf(b)}
	out.Body.Warnings = texts(warnings)
	return out
}

func texts[T ~string](list []T) []string {
	var all []string
	for _, one := range list {
		all = append(all, string(one))
	}
	return all
}

func bindingOf(b store.Binding) adminapi.Binding {
	shown := adminapi.Binding{
		NewBinding: adminapi.NewBinding{
			Name: b.Name, Issuer: b.Issuer, Robot: b.Robot, Scopes: b.Scopes, Session: int64(b.Session / time.Second),
			AllowUnprotected: b.AllowUnprotected, Disabled: b.Disabled,
		},
		CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt, Version: b.Version,
	}
	for _, c := range b.Claims {
		shown.Claims = append(shown.Claims, c.String())
	}
	for _, e := range b.Expose {
		shown.Expose = append(shown.Expose, e.String())
	}
	return shown
}
