package page

import (
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/adminapi"
)

// homeData is what the start shows.
type homeData struct {
	Hosts       []string
	Permissions []adminapi.EffectivePermission
	// More is set when there are more permissions than are shown.
	More bool
}

func (h *Handler) showHome(v *visit) error {
	var list adminapi.List[adminapi.EffectivePermission]
	if err := v.API("GET", v.own("effective-permissions")+"?limit=20", nil, &list); err != nil {
		return err
	}
	return v.render("home", "Start", homeData{Hosts: h.registryHosts(v), Permissions: list.Items, More: list.NextCursor != ""})
}

// own is a path of the admin API below that of who looks.
func (v *visit) own(below string) string {
	return "/users/" + url.PathEscape(v.Viewer.Name()) + "/" + below
}

// registryHosts are what docker login is given: the names of services that are hosts,
// or else that of this page, which may have the registry behind it.
func (h *Handler) registryHosts(v *visit) []string {
	var hosts []string
	for _, service := range h.config.Services {
		if strings.ContainsAny(service.Name, ".:") && !strings.ContainsAny(service.Name, " /") {
			hosts = append(hosts, service.Name)
		}
	}
	if len(hosts) == 0 {
		hosts = append(hosts, v.Host)
	}
	return hosts
}
