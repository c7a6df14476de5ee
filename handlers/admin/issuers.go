package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/issuerkeys"
	"github.com/dockit-registry/dockit/internal/jwkset"
	"github.com/dockit-registry/dockit/store"
)

// PrefixInput asks for one page of what has names.
type PrefixInput struct {
	PageInput
	Prefix string `query:"prefix" maxLength:"128" doc:"Only names that begin with it."`
}

type issuersOutput struct {
	Body adminapi.List[adminapi.Issuer]
}

type issuerOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     adminapi.Issuer
}

type issuerRefusalsOutput struct {
	Body adminapi.List[adminapi.IssuerRefusal]
}

type removedOutput struct {
	Status int
	Body   adminapi.Removed
}

// removal adds the answer for what had no bindings.
func removal(op huma.Operation) huma.Operation {
	op.Responses[strconv.Itoa(http.StatusNoContent)] = &huma.Response{Description: "It had no bindings."}
	return op
}

func removed(bindings []string) *removedOutput {
	if len(bindings) == 0 {
		return &removedOutput{Status: http.StatusNoContent}
	}
	return &removedOutput{Status: http.StatusOK, Body: adminapi.Removed{Bindings: bindings}}
}

func (a *API) registerIssuers(api huma.API) {
	const one = "/issuers/{name}"
	huma.Register(api, operation(api, "list-issuers", http.MethodGet, "/issuers", "List the trusted issuers by name", http.StatusOK), a.listIssuers)
	huma.Register(api, operation(api, "create-issuer", http.MethodPost, "/issuers", "Trust an issuer, once it has shown its keys", http.StatusCreated),
		func(ctx context.Context, in *struct{ Body adminapi.NewIssuer }) (*issuerOutput, error) {
			return a.createIssuer(ctx, in.Body)
		})
	huma.Register(api, operation(api, "get-issuer", http.MethodGet, one, "Show an issuer", http.StatusOK),
		func(ctx context.Context, in *NameInput) (*issuerOutput, error) {
			return a.issuerOutput(ctx)(a.config.Store.Issuer(ctx, in.Name))
		})
	huma.Register(api, operation(api, "update-issuer", http.MethodPatch, one, "Disable or enable an issuer", http.StatusOK),
		func(ctx context.Context, in *struct {
			NameInput
			MatchInput
			Body adminapi.IssuerChange
		},
		) (*issuerOutput, error) {
			pre, err := in.precondition()
			if err != nil {
				return nil, err
			}
			if in.Body.Disabled == nil {
				return a.issuerOutput(ctx)(a.config.Store.Issuer(ctx, in.Name))
			}
			if err := a.passwordAgain(ctx); err != nil {
				return nil, err
			}
			return a.issuerOutput(ctx)(a.config.Store.SetIssuerDisabled(ctx, in.Name, *in.Body.Disabled, pre))
		})
	huma.Register(api, removal(operation(api, "delete-issuer", http.MethodDelete, one, "Trust an issuer no more, and remove its bindings", http.StatusOK)),
		func(ctx context.Context, in *deleteInput) (*removedOutput, error) {
			pre, err := in.precondition()
			if err == nil {
				err = a.passwordAgain(ctx)
			}
			if err != nil {
				return nil, err
			}
			bindings, err := a.config.Store.DeleteIssuer(ctx, in.Name, pre)
			if err != nil {
				return nil, a.problemOf(ctx, err)
			}
			return removed(bindings), nil
		})
	huma.Register(api, operation(api, "refresh-issuer", http.MethodPost, one+"/refresh", "Ask an issuer for its keys now", http.StatusOK),
		func(ctx context.Context, in *NameInput) (*issuerOutput, error) { return a.refreshIssuer(ctx, in.Name) })
	huma.Register(api, operation(api, "list-issuer-refusals", http.MethodGet, one+"/refusals", "List the latest tokens of an issuer that were refused, and why, the latest first", http.StatusOK), a.listIssuerRefusals)
	huma.Register(api, operation(api, "try-token", http.MethodPost, "/issuers/try", "Say how a token of an issuer would fare, condition by condition", http.StatusOK), a.tryToken)
}

func (a *API) listIssuers(ctx context.Context, in *PrefixInput) (*issuersOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	page.Prefix = in.Prefix
	issuers, err := a.config.Store.Issuers(ctx, page)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	shown := make([]adminapi.Issuer, len(issuers))
	for i, issuer := range issuers {
		if shown[i], err = a.issuerOf(ctx, issuer); err != nil {
			return nil, a.problemOf(ctx, err)
		}
		shown[i].JWKS, shown[i].CA = "", ""
	}
	return &issuersOutput{list(in.PageInput, shown,
		func(i adminapi.Issuer) adminapi.Issuer { return i },
		func(i adminapi.Issuer) string { return i.Name })}, nil
}

func (a *API) createIssuer(ctx context.Context, n adminapi.NewIssuer) (*issuerOutput, error) {
	if err := a.passwordAgain(ctx); err != nil {
		return nil, err
	}
	issuer, err := issuerFrom(n)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	if _, err := a.config.Store.Issuer(ctx, issuer.Name); err == nil {
		return nil, a.issuerProblem(ctx, fmt.Errorf("an issuer is called %s: %w", issuer.Name, store.ErrExists))
	}
	// Before the issuer is asked: a token must not make this server ask anybody.
	if err := a.config.Store.MayTrust(ctx, issuer.Name); err != nil {
		return nil, a.problemOf(ctx, err)
	}
	keys, err := fetchKeys(ctx, issuer)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	created, err := a.config.Store.CreateIssuer(ctx, issuer, keys)
	if err != nil {
		return nil, a.issuerProblem(ctx, err)
	}
	out, err := a.issuerOutput(ctx)(created, nil)
	if err == nil {
		out.Location = adminapi.Prefix + "issuers/" + created.Name
	}
	return out, err
}

// issuerProblem names what is taken: neither issuers nor bindings share the names
// of subjects.
func (a *API) issuerProblem(ctx context.Context, err error) *httpProblem {
	if errors.Is(err, store.ErrExists) {
		return problem(http.StatusConflict, adminapi.CodeExists, err.Error()+": choose another name, or remove that one first")
	}
	return a.problemOf(ctx, err)
}

func issuerFrom(n adminapi.NewIssuer) (federation.Issuer, error) {
	kind, err := federation.ParseKind(n.Kind)
	if err != nil {
		return federation.Issuer{}, err
	}
	issuer := federation.Issuer{
		Name: n.Name, URL: n.URL, Kind: kind, Audiences: n.Audiences, JWKSURL: n.JWKSURL, JWKS: n.JWKS, JWKSHost: n.JWKSHost,
		CA: n.CA, BearerFile: n.BearerFile, MaxAge: seconds(n.MaxAge), Disabled: n.Disabled,
	}
	return issuer, issuer.Validate()
}

// seconds is a duration, the longest there is for more.
func seconds(n int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Second)
	return time.Duration(min(n, most)) * time.Second
}

// fetchTimeout bounds asking an issuer for its keys.
const fetchTimeout = 15 * time.Second

// fetchKeys asks an issuer for its keys. Those that were given are looked at only,
// and are not kept apart from it.
func fetchKeys(ctx context.Context, issuer federation.Issuer) (federation.Keys, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	keys, _, err := issuerkeys.Check(ctx, issuer)
	if issuer.JWKS != "" {
		return federation.Keys{}, err
	}
	return keys, err
}

// refreshIssuer asks an issuer for its keys now. That it does not answer is written
// down, too.
func (a *API) refreshIssuer(ctx context.Context, name string) (*issuerOutput, error) {
	issuer, err := a.config.Store.Issuer(ctx, name)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	if issuer.JWKS != "" {
		return nil, problem(http.StatusConflict, adminapi.CodeKind, "the keys of the issuer "+name+" were given, there is nothing to fetch: to change them, apply a document with the new ones, or remove it and add it again")
	}
	keys, err := fetchKeys(ctx, issuer.Issuer)
	if err != nil {
		if noted := a.config.Store.PutIssuerAway(context.WithoutCancel(ctx), issuer.ID, err.Error()); noted != nil {
			err = noted
		}
		return nil, a.problemOf(ctx, err)
	}
	if err := a.config.Store.PutIssuerKeys(ctx, issuer.ID, keys); err != nil {
		return nil, a.problemOf(ctx, err)
	}
	return a.issuerOutput(ctx)(issuer, nil)
}

func (a *API) issuerOutput(ctx context.Context) func(store.Issuer, error) (*issuerOutput, error) {
	return func(issuer store.Issuer, err error) (*issuerOutput, error) {
		var shown adminapi.Issuer
		if err == nil {
			shown, err = a.issuerOf(ctx, issuer)
		}
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		return &issuerOutput{ETag: etagOf(issuer.Version), Body: shown}, nil
	}
}

func (a *API) issuerOf(ctx context.Context, i store.Issuer) (adminapi.Issuer, error) {
	keys, err := a.config.Store.IssuerKeys(ctx, i.ID)
	if err != nil {
		return adminapi.Issuer{}, err
	}
	return adminapi.Issuer{
		NewIssuer: adminapi.NewIssuer{
			Name: i.Name, URL: i.URL, Kind: string(i.Kind), Audiences: i.Audiences, JWKSURL: i.JWKSURL, JWKS: i.JWKS, JWKSHost: i.JWKSHost,
			CA: i.CA, BearerFile: i.BearerFile, MaxAge: int64(i.MaxAge / time.Second), Disabled: i.Disabled,
		},
		Keys:      keysOf(i.Issuer, keys),
		CreatedAt: i.CreatedAt, UpdatedAt: i.UpdatedAt, Version: i.Version,
	}, nil
}

// keysOf says which keys count now.
func keysOf(issuer federation.Issuer, kept store.IssuerKeys) adminapi.IssuerKeys {
	shown := adminapi.IssuerKeys{IDs: []string{}, AwaySince: kept.AwaySince, Away: kept.Away}
	jwks := []byte(issuer.JWKS)
	if issuer.JWKS == "" && kept.Source == issuer.KeySource() {
		jwks, shown.FetchedAt = kept.JWKS, kept.FetchedAt
	}
	if len(jwks) == 0 {
		return shown
	}
	set, err := jwkset.Parse(jwks)
	if err != nil { // it was looked at before it was kept
		shown.Skipped = []string{err.Error()}
		return shown
	}
	for _, key := range set.Keys {
		shown.IDs = append(shown.IDs, key.ID)
	}
	for _, skipped := range set.Skipped {
		shown.Skipped = append(shown.Skipped, skipped.String())
	}
	return shown
}

// listIssuerRefusals pages through the few that are kept.
func (a *API) listIssuerRefusals(ctx context.Context, in *struct {
	NameInput
	PageInput
},
) (*issuerRefusalsOutput, error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	after := 0
	if page.After != "" {
		if after, err = strconv.Atoi(page.After); err != nil || after < 0 {
			return nil, invalid(errCursor)
		}
	}
	refusals, err := a.config.Store.IssuerRefusals(ctx, in.Name)
	if err != nil {
		return nil, a.problemOf(ctx, err)
	}
	refusals = refusals[min(after, len(refusals)):]
	shown := list(in.PageInput, refusals, func(r store.IssuerRefusal) adminapi.IssuerRefusal {
		return adminapi.IssuerRefusal(r)
	}, func(store.IssuerRefusal) string { return strconv.Itoa(after + in.Limit) })
	return &issuerRefusalsOutput{shown}, nil
}
