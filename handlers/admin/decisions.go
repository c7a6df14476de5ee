package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

type decisionInput struct {
	NameInput
	Type    access.Type `query:"type" enum:"repository,registry" default:"repository" doc:"What is to be used."`
	Target  string      `query:"name" required:"true" minLength:"1" maxLength:"255" example:"team/app" doc:"The repository, or catalog."`
	Actions string      `query:"actions" required:"true" minLength:"1" maxLength:"64" example:"pull,push" doc:"What is to be done, separated by commas; * for everything."`
}

type decisionOutput struct {
	Body adminapi.Decision
}

func (a *API) registerDecisions(api huma.API) {
	for _, kind := range subject.Kinds {
		huma.Register(api, operation(api, "can-"+string(kind), http.MethodGet, "/"+kind.Plural()+"/{name}/can", "Say whether a "+string(kind)+" may do something, and why", http.StatusOK),
			func(ctx context.Context, in *decisionInput) (*decisionOutput, error) {
				return a.decide(ctx, subject.Ref{Kind: kind, Name: in.Name}, in)
			})
	}
}

// decide evaluates as a token would be, and keeps the reasons.
func (a *API) decide(ctx context.Context, ref subject.Ref, in *decisionInput) (*decisionOutput, error) {
	asked, err := access.ParseActions(in.Actions)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	switch {
	case in.Type == access.Registry && (in.Target != "catalog" || asked != access.All):
		return nil, problem(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "of type registry there is only the catalog, with the actions *")
	case in.Type == access.Repository:
		if err := access.ValidateRepository(in.Target); err != nil {
			return nil, a.problemOf(ctx, err)
		}
	}
	who, err := a.config.Store.Subject(ctx, ref)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	effective, err := a.config.Store.EffectivePermissions(ctx, ref)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}

	permissions := make([]access.Permission, 0, len(effective))
	d := adminapi.Decision{Subject: ref, Type: in.Type, Name: in.Target, Actions: asked.List(), Because: []adminapi.EffectivePermission{}}
	username := asking(ref)
	for _, e := range effective {
		permissions = append(permissions, e.Permission)
		if e.Actions.Implied()&asked != 0 && e.Matches(username, in.Type, in.Target) {
			d.Because = append(d.Because, effectiveOf(e))
		}
	}
	missing := asked &^ access.NewRights(username, permissions).Allowed(in.Type, in.Target)
	d.Disabled = who.Disabled
	d.Allowed = missing == 0 && !who.Disabled
	if missing != 0 {
		d.Missing = missing.List()
		d.Nearest = suggest(effective, username, in.Type, in.Target, missing)
		// A registry never asks for a name with a host and a port.
		name, hosted := access.WithoutHost(in.Target)
		if !hosted {
			name = in.Target
		}
		d.Grant = &access.Permission{Type: in.Type, Name: name, Actions: missing}
	}
	return &decisionOutput{d}, nil
}

// asking is the name that {username} stands for when ref asks. Neither a group
// nor an anonymous client has one.
func asking(ref subject.Ref) string {
	if ref.Kind == subject.Group || ref == subject.Anonymous {
		return ""
	}
	return ref.Name
}
