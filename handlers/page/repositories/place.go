package repositories

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/registryclient"
	"github.com/dockit-registry/dockit/internal/registryview"
)

// place is which registry, and which repository there, a page is about.
type place struct {
	Service string
	// Services are all that there are.
	Services []string
	// Name is that of the repository.
	Name string
	// Host is what clients name the registry by, and HasRegistry whether Dockit knows
	// where it is.
	Host        string
	HasRegistry bool

	registry frame.Registry
	viewer   registryview.Viewer
}

// place finds the registry that the address names, and whose rights to look with.
func (h *pages) place(v *frame.Visit) (place, error) {
	services := h.Services
	p := place{Service: v.FormValue("service"), Name: v.FormValue("name")}
	for _, service := range services {
		p.Services = append(p.Services, service.Name)
		// Without a service, the first one whose registry is known.
		if p.Service == "" && h.Registries[service.Name].Registry != nil {
			p.Service = service.Name
		}
	}
	if p.Service == "" && len(services) > 0 {
		p.Service = services[0].Name
	}
	if !slices.Contains(p.Services, p.Service) {
		return p, frame.NotFound("there is no such registry here")
	}
	p.registry = h.Registries[p.Service]
	p.HasRegistry = p.registry.Registry != nil
	p.Host = p.registry.ClientHost(p.Service, v.Host)
	var err error
	p.viewer, err = h.viewer(v)
	return p, err
}

// viewer is who looks at a registry, with all that it may do.
func (h *pages) viewer(v *frame.Visit) (registryview.Viewer, error) {
	rights, err := h.rights(v.Context(), v.Principal.ID, v.Principal.Ref)
	if err != nil {
		return registryview.Viewer{}, h.Unavailable(err)
	}
	viewer := registryview.Viewer{Name: v.Viewer.Name(), Rights: rights}
	if len(v.Principal.Scopes) > 0 {
		viewer.Within = append(viewer.Within, access.NewRights(v.Viewer.Name(), v.Principal.Scopes))
	}
	if v.Principal.Bound != nil {
		viewer.Within = append(viewer.Within, v.Principal.Bound)
	}
	return viewer, nil
}

// Several reports whether there is more than one registry.
func (p place) Several() bool { return len(p.Services) > 1 }

// Allowed is what the viewer may do to a repository.
func (p place) Allowed(name string) []string { return p.viewer.Allowed(name).List() }

// query is what names the place in an address.
func (p place) query() url.Values { return url.Values{"service": {p.Service}, "name": {p.Name}} }

// unplaced refuses what needs a registry whose place is not known.
func (p place) unplaced() error {
	return frame.NotFound("Dockit does not know where the registry of the service " + p.Service + " is: the page of repositories says how to tell it")
}

// trouble is what a registry did not do, as who looks gets to see it. What a registry
// says of itself, and where it is, is for admins.
func (p place) trouble(v *frame.Visit, err error) error {
	told := func(status int, detail string) error {
		problem := frame.Refusal(status, adminapi.CodeInternal, detail)
		problem.Title = "The registry does not do it"
		if v.Viewer.Admin {
			problem.Detail = err.Error()
		}
		return problem
	}
	switch {
	case errors.Is(err, registryview.ErrInvalidReference):
		return frame.Refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "that is neither a tag nor a digest")
	case errors.Is(err, registryview.ErrNotAllowed):
		return frame.Refusal(http.StatusForbidden, adminapi.CodeForbidden, "no permission of yours allows that on "+cmp.Or(p.Name, "a repository without a name"))
	case errors.Is(err, registryview.ErrMoved):
		return frame.Refusal(http.StatusConflict, adminapi.CodeConflict, "the tag is another image by now: nothing was deleted, look at it again")
	case errors.Is(err, registryview.ErrDeletesOff):
		return frame.Refusal(http.StatusMethodNotAllowed, adminapi.CodeInvalid, registryview.ErrDeletesOff.Error())
	case errors.Is(err, registryclient.ErrNotFound):
		return frame.NotFound("the registry has nothing by that name in " + p.Name)
	case errors.Is(err, registryclient.ErrDenied):
		return told(http.StatusBadGateway, "the registry does not take the tokens of Dockit: an admin sees here why")
	case errors.Is(err, registryclient.ErrAway), errors.Is(err, context.DeadlineExceeded):
		return told(http.StatusBadGateway, "the registry does not answer: try again in a moment")
	case errors.Is(err, registryclient.ErrAnswer), errors.Is(err, registryclient.ErrRedirected), errors.Is(err, registryclient.ErrUnsupported):
		return told(http.StatusBadGateway, "the registry does not answer rightly: an admin sees here why")
	default:
		return err
	}
}

// reason is an error of a registry in the middle of a page.
func (p place) reason(v *frame.Visit, err error) string {
	if err == nil {
		return ""
	}
	problem, ok := errors.AsType[*adminapi.Problem](p.trouble(v, err))
	if !ok {
		return "something went wrong in Dockit: see its log"
	}
	return problem.Detail
}
