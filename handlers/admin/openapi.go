package admin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/store"
)

const schemaPrefix = "#/components/schemas/"

// humaConfig turns off what huma serves by itself: pages of documentation that
// load scripts from elsewhere, links to schemas, and its own error bodies.
func humaConfig(version string) huma.Config {
	if version == "" {
		version = "unknown"
	}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "Dockit admin API",
				Version:     version,
				Description: "Manages the users, robots, groups, permissions and tokens of Dockit, and which issuers of tokens it trusts. Every request needs the name of an admin and its password, an access token without scopes, or a refresh token. Users may set their own password, list, make, rotate and revoke their own tokens, and read what they may do, with their password. What is made with a token has at most its networks and its expiry, names it as its maker, and ends with it. Setting the password of an existing user, making or unmaking an admin, trusting or changing an issuer or a binding and ending the logins of somebody else need a password: 403 password_needed.",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry(schemaPrefix, huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"admin": {Type: "http", Scheme: "basic", Description: "Name and password of an admin."},
				},
			},
			Security: []map[string][]string{{"admin": {}}},
		},
		Formats: map[string]huma.Format{
			"application/json": strictJSON,
			"json":             strictJSON,
		},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{withoutValues},
	}
}

// operation is what all operations have in common.
func operation(api huma.API, id, method, path, summary string, status int) huma.Operation {
	return huma.Operation{
		OperationID:   id,
		Method:        method,
		Path:          path,
		Summary:       summary,
		DefaultStatus: status,
		MaxBodyBytes:  adminapi.MaxBody,
		// bounded has set the deadline for the whole request already.
		BodyReadTimeout: readTimeout,
		Responses: map[string]*huma.Response{
			"default": {
				Description: "What is wrong, and what to do.",
				Content: map[string]*huma.MediaType{
					adminapi.ProblemMediaType: {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[adminapi.Problem](), true, "Problem")},
				},
			},
		},
	}
}

// serveOpenAPI serves the document as it is once every operation is known.
func (a *API) serveOpenAPI(mux *http.ServeMux) error {
	maps.DeleteFunc(a.openAPI.Components.Schemas.Map(), func(name string, _ *huma.Schema) bool {
		return name == "ErrorModel" || name == "ErrorDetail"
	})
	document, err := json.Marshal(a.openAPI)
	if err != nil {
		return fmt.Errorf("write the OpenAPI document of the admin API: %w", err)
	}
	mux.HandleFunc("GET "+prefix+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(document) // the client is gone
	})
	return nil
}

// PageInput asks for one page of a listing.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many items to return at most."`
	Cursor string `query:"cursor" maxLength:"1024" doc:"The next_cursor of the page before."`
}

var errCursor = errors.New("the cursor is not one that this API gave out: start without one")

// page reads one item more than asked, which shows whether there is a next
// page.
func (in PageInput) page() (store.Page, error) {
	after, err := base64.RawURLEncoding.DecodeString(in.Cursor)
	if err != nil {
		return store.Page{}, invalid(errCursor)
	}
	return store.Page{After: string(after), Limit: in.Limit + 1}, nil
}

// list makes the answer of what was read for a page. key is what the next page
// starts after.
func list[T, W any](in PageInput, read []T, wire func(T) W, key func(T) string) adminapi.List[W] {
	l := adminapi.List[W]{Items: make([]W, 0, min(len(read), in.Limit))}
	if len(read) > in.Limit {
		read = read[:in.Limit]
		l.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(key(read[len(read)-1])))
	}
	for _, one := range read {
		l.Items = append(l.Items, wire(one))
	}
	return l
}
