package trust

import (
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/federation"
)

// bindingsData is what the page of bindings shows.
type bindingsData struct {
	Bindings []adminapi.Binding
	// Issuer and Robot are what the list is restricted to, if to anything.
	Issuer, Robot string
	// Next is the address of the next page.
	Next string
	// Command does the same.
	Command string
	// Issuers are those to bind to, the first ones.
	Issuers []adminapi.Issuer
}

func (h *pages) showBindings(v *frame.Visit) error {
	data := bindingsData{Issuer: v.URL.Query().Get("issuer"), Robot: v.URL.Query().Get("robot")}
	query := url.Values{}
	var arguments []string
	if data.Issuer != "" {
		query.Set("issuer", data.Issuer)
		arguments = append(arguments, "--issuer", data.Issuer)
	}
	if data.Robot != "" {
		query.Set("robot", data.Robot)
		arguments = append(arguments, "--robot", "robot:"+data.Robot)
	}
	var list adminapi.List[adminapi.Binding]
	if err := v.API(http.MethodGet, "/bindings"+v.Listed(query, v.URL.Query().Get("cursor")), nil, &list); err != nil {
		return err
	}
	data.Bindings, data.Next, data.Command = list.Items, v.Following("bindings", "cursor", list.NextCursor), frame.Command(v.Request, "binding list", arguments...)
	var issuers adminapi.List[adminapi.Issuer]
	if err := v.API(http.MethodGet, "/issuers?limit=100", nil, &issuers); err != nil {
		return err
	}
	data.Issuers = issuers.Items
	return v.Render("bindings", "Bindings", data)
}

func bindingPath(name string) string { return "/bindings/" + url.PathEscape(name) }

// bindingData is what the page of one binding shows.
type bindingData struct {
	adminapi.Binding
	Platform platform
	// Lasts is how long a login may last.
	Lasts string
	// Pipelines are what to paste.
	Pipelines []frame.Copyable
	// Login is for where there is no docker.
	Login string
}

func (h *pages) showBinding(v *frame.Visit) error {
	data, err := h.binding(v)
	if err != nil {
		return err
	}
	return v.Render("binding", "Binding "+data.Name, data)
}

func (h *pages) binding(v *frame.Visit) (bindingData, error) {
	var data bindingData
	if err := v.API(http.MethodGet, bindingPath(v.PathValue("name")), nil, &data.Binding); err != nil {
		return data, err
	}
	var issuer adminapi.Issuer
	if err := v.API(http.MethodGet, issuerPath(data.Issuer), nil, &issuer); err != nil {
		return data, err
	}
	data.Platform, data.Lasts = platformOf(issuer.NewIssuer), durationOf(data.Session, federation.DefaultSession)
	p := h.pipelineOf(v, issuer, data.Binding)
	data.Login = "dockit login " + p.Host + " --robot " + p.Robot
	if p.Audience != p.Host {
		data.Login += " --audience " + p.Audience
	}
	var err error
	data.Pipelines, err = p.fill(data.Platform.pipelines)
	return data, err
}

// switchBinding disables or enables a binding, which is judged anew then.
func (h *pages) switchBinding(disabled bool, done string) frame.PageFunc {
	return func(v *frame.Visit) error {
		name := v.PathValue("name")
		if err := v.API(http.MethodPatch, bindingPath(name), adminapi.BindingChange{Disabled: &disabled}, nil); err != nil {
			data, failed := h.binding(v)
			if failed != nil {
				return failed
			}
			return v.Refused("binding", "Binding "+data.Name, data, err)
		}
		return v.Done("bindings/"+url.PathEscape(name), done)
	}
}

func (h *pages) askToRemoveBinding(v *frame.Visit) error {
	data, err := h.binding(v)
	if err != nil {
		return err
	}
	return v.Render("bindingremove", "Remove the binding "+data.Name, data)
}

func (h *pages) removeBinding(v *frame.Visit) error {
	if err := v.API(http.MethodDelete, bindingPath(v.PathValue("name")), nil, nil); err != nil {
		return err
	}
	return v.Done("bindings", "binding-removed")
}
