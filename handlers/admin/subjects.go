package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/password"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// NameInput names the subject that a request is about. It is exported, as all
// that is embedded in an input, because huma does not see it otherwise.
type NameInput struct {
	Name string `path:"name" maxLength:"128" doc:"The name of the subject."`
}

// MatchInput makes a change conditional.
type MatchInput struct {
	IfMatch string `header:"If-Match" maxLength:"64" doc:"The entity tag that the subject must still have."`
}

type subjectOutput struct {
	ETag string `header:"ETag"`
	Body adminapi.Subject
}

type createdOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     adminapi.Subject
}

type subjectsOutput struct {
	Body adminapi.List[adminapi.Subject]
}

// ListInput asks for one page of subjects.
type ListInput struct {
	PageInput
	Prefix   string       `query:"prefix" maxLength:"128" doc:"Only names that begin with it."`
	Admin    OptionalBool `query:"admin" doc:"Only admins, or only others."`
	Disabled OptionalBool `query:"disabled" doc:"Only disabled subjects, or only others."`
	Search   string       `query:"q" maxLength:"128" doc:"Only names that hold it, anywhere, in small or capital letters."`
	Total    bool         `query:"total" doc:"Say how many there are on all pages together."`
}

// OptionalBool is a parameter that may be absent.
type OptionalBool struct {
	Value bool
	Given bool
}

// Schema implements [huma.SchemaProvider].
func (OptionalBool) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[bool]())
}

// Receiver implements [huma.ParamWrapper].
func (o *OptionalBool) Receiver() reflect.Value { return reflect.ValueOf(o).Elem().Field(0) }

// OnParamSet implements [huma.ParamReactor].
func (o *OptionalBool) OnParamSet(given bool, _ any) { o.Given = given }

func (o *OptionalBool) pointer() *bool {
	if !o.Given {
		return nil
	}
	return &o.Value
}

// subjects is the page of the store that is asked for.
func (in *ListInput) subjects() (store.Page, error) {
	page, err := in.page()
	page.Prefix, page.Search, page.Admin, page.Disabled = in.Prefix, in.Search, in.Admin.pointer(), in.Disabled.pointer()
	return page, err
}

// listed is the answer: what was read for a page, and how many there are by count, where
// that was asked for.
func (a *API) listed(ctx context.Context, in *ListInput, read []store.Subject, count func() (int, error)) (*subjectsOutput, error) {
	out := &subjectsOutput{list(in.PageInput, read, subjectOf, nameOf)}
	if !in.Total {
		return out, nil
	}
	total, err := len(read), error(nil)
	if in.Cursor != "" || total > in.Limit { // not everything was read
		total, err = count()
	}
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	out.Body.Total = &total
	return out, nil
}

type changeInput struct {
	NameInput
	MatchInput
	Body adminapi.SubjectChange
}

type deleteInput struct {
	NameInput
	MatchInput
}

func (a *API) registerSubjects(api huma.API) {
	for _, kind := range subject.Kinds {
		collection := "/" + kind.Plural()
		huma.Register(api, operation(api, "list-"+kind.Plural(), http.MethodGet, collection, "List "+kind.Plural()+" by name", http.StatusOK),
			func(ctx context.Context, in *ListInput) (*subjectsOutput, error) {
				return a.listSubjects(ctx, kind, in)
			})
		huma.Register(api, operation(api, "get-"+string(kind), http.MethodGet, collection+"/{name}", "Show a "+string(kind), http.StatusOK),
			func(ctx context.Context, in *NameInput) (*subjectOutput, error) {
				return a.subjectOutput(ctx)(a.config.Store.Subject(ctx, subject.Ref{Kind: kind, Name: in.Name}))
			})
		huma.Register(api, operation(api, "update-"+string(kind), http.MethodPatch, collection+"/{name}", "Change a "+string(kind), http.StatusOK),
			func(ctx context.Context, in *changeInput) (*subjectOutput, error) {
				return a.updateSubject(ctx, kind, in)
			})
	}
	for _, kind := range []subject.Kind{subject.User, subject.Group} {
		huma.Register(api, operation(api, "delete-"+string(kind), http.MethodDelete, "/"+kind.Plural()+"/{name}", "Remove a "+string(kind)+" with its memberships and permissions", http.StatusNoContent),
			func(ctx context.Context, in *deleteInput) (*struct{}, error) {
				_, err := a.deleteSubject(ctx, kind, in)
				return nil, err
			})
	}
	huma.Register(api, removal(operation(api, "delete-robot", http.MethodDelete, "/robots/{name}", "Remove a robot with its memberships, permissions and bindings", http.StatusOK)),
		func(ctx context.Context, in *deleteInput) (*removedOutput, error) {
			bindings, err := a.deleteSubject(ctx, subject.Robot, in)
			if err != nil {
				return nil, err
			}
			return removed(bindings), nil
		})
	huma.Register(api, operation(api, "create-user", http.MethodPost, "/users", "Make a user", http.StatusCreated),
		func(ctx context.Context, in *struct{ Body adminapi.NewUser }) (*createdOutput, error) {
			return a.createUser(ctx, in.Body)
		})
	for _, kind := range []subject.Kind{subject.Robot, subject.Group} {
		huma.Register(api, operation(api, "create-"+string(kind), http.MethodPost, "/"+kind.Plural(), "Make a "+string(kind), http.StatusCreated),
			func(ctx context.Context, in *struct{ Body adminapi.NewSubject }) (*createdOutput, error) {
				return a.create(ctx, store.NewSubject{Ref: subject.Ref{Kind: kind, Name: in.Body.Name}, Disabled: in.Body.Disabled})
			})
	}
	huma.Register(api, operation(api, "set-password", http.MethodPut, "/users/{name}/password", "Set a user's password", http.StatusNoContent), a.setPassword)
}

func (a *API) listSubjects(ctx context.Context, kind subject.Kind, in *ListInput) (*subjectsOutput, error) {
	page, err := in.subjects()
	if err != nil {
		return nil, err
	}
	found, err := a.config.Store.Subjects(ctx, kind, page)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return a.listed(ctx, in, found, func() (int, error) { return a.config.Store.CountSubjects(ctx, kind, page) })
}

func (a *API) createUser(ctx context.Context, user adminapi.NewUser) (*createdOutput, error) {
	created := store.NewSubject{
		Ref:      subject.Ref{Kind: subject.User, Name: user.Name},
		Admin:    user.Admin,
		Disabled: user.Disabled,
	}
	if user.Admin || user.Password != "" || user.PasswordHash != "" {
		if err := a.passwordAgain(ctx); err != nil {
			return nil, err
		}
	}
	switch {
	case user.Password != "" && user.PasswordHash != "":
		return nil, invalid(errors.New("password and password_hash exclude each other"))
	case user.PasswordHash != "":
		if err := password.CheckImported(user.PasswordHash); err != nil {
			if errors.Is(err, password.ErrTooDear) {
				err = fmt.Errorf("%w: give the user a new password instead", err)
			}
			return nil, a.problemOf(ctx, err)
		}
		created.PasswordHash = user.PasswordHash
	case user.Password != "":
		hash, err := a.hash(ctx, user.Password)
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		created.PasswordHash = hash
	}
	return a.create(ctx, created)
}

func (a *API) create(ctx context.Context, n store.NewSubject) (*createdOutput, error) {
	created, err := a.config.Store.CreateSubject(ctx, n)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return &createdOutput{
		ETag:     etag(created),
		Location: adminapi.Prefix + created.Ref.Kind.Plural() + "/" + created.Ref.Name,
		Body:     subjectOf(created),
	}, nil
}

func (a *API) updateSubject(ctx context.Context, kind subject.Kind, in *changeInput) (*subjectOutput, error) {
	pre, err := in.precondition()
	if err != nil {
		return nil, err
	}
	if in.Body.Admin != nil {
		if err := a.passwordAgain(ctx); err != nil {
			return nil, err
		}
	}
	change := store.SubjectChange{Admin: in.Body.Admin, Disabled: in.Body.Disabled}
	return a.subjectOutput(ctx)(a.config.Store.UpdateSubject(ctx, subject.Ref{Kind: kind, Name: in.Name}, change, pre))
}

// deleteSubject returns the names of the bindings that went with a robot.
func (a *API) deleteSubject(ctx context.Context, kind subject.Kind, in *deleteInput) (bindings []string, err error) {
	pre, err := in.precondition()
	if err != nil {
		return nil, err
	}
	bindings, err = a.config.Store.RemoveSubject(ctx, subject.Ref{Kind: kind, Name: in.Name}, pre)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return bindings, nil
}

func (a *API) setPassword(ctx context.Context, in *struct {
	NameInput
	MatchInput
	Body adminapi.PasswordChange
},
) (*struct{}, error) {
	ref := subject.Ref{Kind: subject.User, Name: in.Name}
	pre, err := in.precondition()
	if err == nil {
		err = checkOwner(ctx, ref)
	}
	if err == nil {
		err = a.passwordAgain(ctx)
	}
	if err != nil {
		return nil, err
	}
	hash, err := a.hash(ctx, in.Body.Password)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	if _, err := a.config.Store.UpdateSubject(ctx, ref, store.SubjectChange{PasswordHash: &hash}, pre); err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return nil, nil //nolint:nilnil // huma: no body
}

// hash checks and hashes a new password.
func (a *API) hash(ctx context.Context, pw string) (string, error) {
	if err := a.config.Passwords.Check(pw); err != nil {
		return "", err
	}
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
		return password.Hash(pw)
	case <-ctx.Done():
		return "", fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
}

// subjectOutput makes the answer from what the store returns.
func (a *API) subjectOutput(ctx context.Context) func(store.Subject, error) (*subjectOutput, error) {
	return func(s store.Subject, err error) (*subjectOutput, error) {
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		return &subjectOutput{ETag: etag(s), Body: subjectOf(s)}, nil
	}
}

func subjectOf(s store.Subject) adminapi.Subject {
	return adminapi.Subject{
		Kind:        s.Ref.Kind,
		Name:        s.Ref.Name,
		Admin:       s.Admin,
		Disabled:    s.Disabled,
		HasPassword: s.HasPassword,
		BuiltIn:     s.Ref.BuiltIn(),
		CreatedAt:   s.CreatedAt,
		UpdatedAt:   s.UpdatedAt,
		Version:     s.Version,

		PasswordMadeBy:    s.PasswordMadeBy,
		PasswordNetworks:  s.PasswordLimits.Networks,
		PasswordExpiresAt: s.PasswordLimits.ExpiresAt,
	}
}

func nameOf(s store.Subject) string { return s.Ref.Name }

func etag(s store.Subject) string { return etagOf(s.Version) }

func etagOf(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// precondition reads If-Match. Anything but an entity tag of this API cannot
// be the one that the subject has.
func (in MatchInput) precondition() (store.Precondition, error) {
	if in.IfMatch == "" || in.IfMatch == "*" {
		return 0, nil
	}
	version, err := strconv.ParseInt(strings.Trim(in.IfMatch, `"`), 10, 64)
	if err != nil || version <= 0 {
		return 0, problem(http.StatusPreconditionFailed, adminapi.CodeStale, "If-Match holds no entity tag that this API gave out: read the subject again and use its ETag")
	}
	return store.Precondition(version), nil
}
