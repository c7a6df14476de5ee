package page

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/internal/registryclient"
	"github.com/dockit-registry/dockit/internal/registryview"
)

// Registry is the registry of a service, as Dockit finds it.
type Registry struct {
	*registryview.Registry
	// URL is where Dockit itself finds it.
	URL *url.URL
	// Host is what clients name it by. Default: see [Registry.host].
	Host string
	// Proxied is set when clients reach it at the host of the page.
	Proxied bool
}

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

	registry Registry
	viewer   registryview.Viewer
}

// place finds the registry that the address names, and whose rights to look with.
func (h *Handler) place(v *visit) (place, error) {
	services := h.config.Services
	p := place{Service: v.FormValue("service"), Name: v.FormValue("name")}
	for _, service := range services {
		p.Services = append(p.Services, service.Name)
		// Without a service, the first one whose registry is known.
		if _, known := h.config.Registries[service.Name]; p.Service == "" && known {
			p.Service = service.Name
		}
	}
	if p.Service == "" && len(services) > 0 {
		p.Service = services[0].Name
	}
	if !slices.Contains(p.Services, p.Service) {
		return p, notFound("there is no such registry here")
	}
	p.registry, p.HasRegistry = h.config.Registries[p.Service]
	p.Host = p.registry.host(p.Service, v.Host)
	var err error
	p.viewer, err = h.viewer(v)
	return p, err
}

// viewer is who looks at a registry, with all that it may do.
func (h *Handler) viewer(v *visit) (registryview.Viewer, error) {
	rights, err := h.config.Rights(v.Context(), v.Principal.ID, v.Principal.Ref)
	if err != nil {
		return registryview.Viewer{}, h.unavailable(err)
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

// host is what clients name a registry by: its service where that is a host, the host
// of the page where that has the registry behind it, and else where it is.
func (r Registry) host(service, page string) string {
	switch {
	case r.Host != "":
		return r.Host
	case strings.ContainsAny(service, ".:") && !strings.ContainsAny(service, " /"):
		return service
	case r.URL == nil || r.Proxied:
		return page
	default:
		return r.URL.Host
	}
}

// Several reports whether there is more than one registry.
func (p place) Several() bool { return len(p.Services) > 1 }

// Allowed is what the viewer may do to a repository.
func (p place) Allowed(name string) []string { return p.viewer.Allowed(name).List() }

// query is what names the place in an address.
func (p place) query() url.Values { return url.Values{"service": {p.Service}, "name": {p.Name}} }

// unplaced refuses what needs a registry whose place is not known.
func (p place) unplaced() error {
	return notFound("Dockit does not know where the registry of the service " + p.Service + " is: the page of repositories says how to tell it")
}

// trouble is what a registry did not do, as who looks gets to see it. What a registry
// says of itself, and where it is, is for admins.
func (p place) trouble(v *visit, err error) error {
	told := func(status int, detail string) error {
		problem := refusal(status, adminapi.CodeInternal, detail)
		problem.Title = "The registry does not do it"
		if v.Viewer.Admin {
			problem.Detail = err.Error()
		}
		return problem
	}
	switch {
	case errors.Is(err, registryview.ErrInvalidReference):
		return refusal(http.StatusUnprocessableEntity, adminapi.CodeInvalid, "that is neither a tag nor a digest")
	case errors.Is(err, registryview.ErrNotAllowed):
		return refusal(http.StatusForbidden, adminapi.CodeForbidden, "no permission of yours allows that on "+cmp.Or(p.Name, "a repository without a name"))
	case errors.Is(err, registryview.ErrMoved):
		return refusal(http.StatusConflict, adminapi.CodeConflict, "the tag is another image by now: nothing was deleted, look at it again")
	case errors.Is(err, registryview.ErrDeletesOff):
		return refusal(http.StatusMethodNotAllowed, adminapi.CodeInvalid, registryview.ErrDeletesOff.Error())
	case errors.Is(err, registryclient.ErrNotFound):
		return notFound("the registry has nothing by that name in " + p.Name)
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
func (p place) reason(v *visit, err error) string {
	if err == nil {
		return ""
	}
	problem, ok := errors.AsType[*adminapi.Problem](p.trouble(v, err))
	if !ok {
		return "something went wrong in Dockit: see its log"
	}
	return problem.Detail
}
