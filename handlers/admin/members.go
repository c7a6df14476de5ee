package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/subject"
)

type membersInput struct {
	NameInput
	ListInput
}

type memberInput struct {
	NameInput
	Member subject.Ref `path:"ref" maxLength:"140" example:"user:alice" doc:"A user or a robot."`
}

type memberOutput struct {
	Status int
}

func (a *API) registerMembers(api huma.API) {
	huma.Register(api, operation(api, "list-members", http.MethodGet, "/groups/{name}/members", "List the members of a group by name", http.StatusOK), a.listMembers)
	huma.Register(api, operation(api, "add-member", http.MethodPut, "/groups/{name}/members/{ref}", "Put a user or robot into a group: 201 when it was not in there, else 204", http.StatusCreated), a.addMember)
	huma.Register(api, operation(api, "remove-member", http.MethodDelete, "/groups/{name}/members/{ref}", "Take a user or robot out of a group", http.StatusNoContent), a.removeMember)
	for _, kind := range []subject.Kind{subject.User, subject.Robot} {
		huma.Register(api, operation(api, "list-groups-of-"+string(kind), http.MethodGet, "/"+kind.Plural()+"/{name}/groups", "List the groups that a "+string(kind)+" is in", http.StatusOK),
			func(ctx context.Context, in *struct {
				NameInput
				PageInput
			},
			) (*subjectsOutput, error) {
				return a.listGroups(ctx, subject.Ref{Kind: kind, Name: in.Name}, in.PageInput)
			})
	}
}

func (a *API) listMembers(ctx context.Context, in *membersInput) (*subjectsOutput, error) {
	page, err := in.subjects()
	if err != nil {
		return nil, err
	}
	group := subject.Ref{Kind: subject.Group, Name: in.Name}
	members, err := a.config.Store.Members(ctx, group, page)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return a.listed(ctx, &in.ListInput, members, func() (int, error) { return a.config.Store.CountMembers(ctx, group, page) })
}

func (a *API) addMember(ctx context.Context, in *memberInput) (*memberOutput, error) {
	added, err := a.config.Store.AddMember(ctx, subject.Ref{Kind: subject.Group, Name: in.Name}, in.Member)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	if added {
		return &memberOutput{http.StatusCreated}, nil
	}
	return &memberOutput{http.StatusNoContent}, nil
}

func (a *API) removeMember(ctx context.Context, in *memberInput) (*struct{}, error) {
	if err := a.config.Store.RemoveMember(ctx, subject.Ref{Kind: subject.Group, Name: in.Name}, in.Member); err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return nil, nil //nolint:nilnil // huma: no body
}

// listGroups pages through what the store reads at once: a subject is in few
// groups.
func (a *API) listGroups(ctx context.Context, ref subject.Ref, in PageInput) (*subjectsOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	groups, err := a.config.Store.Groups(ctx, ref)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	for len(groups) > 0 && groups[0].Ref.Name <= page.After {
		groups = groups[1:]
	}
	return &subjectsOutput{list(in, groups, subjectOf, nameOf)}, nil
}
