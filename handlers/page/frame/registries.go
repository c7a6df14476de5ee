package frame

import (
	"net/url"
	"strings"

	"github.com/dockit-registry/dockit/internal/registryview"
)

// Registry is the registry of a service, as Dockit finds it.
type Registry struct {
	*registryview.Registry
	// URL is where Dockit itself finds it.
	URL *url.URL
	// Host is what clients name it by. Default: see [Registry.ClientHost].
	Host string
	// Proxied is set when clients reach it at the host of the page.
	Proxied bool
}

// ClientHost is what clients name a registry by: its service where that is a host, the host
// of the page where that has the registry behind it, and else where it is.
func (r Registry) ClientHost(service, page string) string {
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

// RegistryHosts are what docker login is given: the names of services that are hosts,
// or else that of this page, which may have the registry behind it.
func (v *Visit) RegistryHosts() []string {
	var hosts []string
	for _, service := range v.page.Services {
		if strings.ContainsAny(service.Name, ".:") && !strings.ContainsAny(service.Name, " /") {
			hosts = append(hosts, service.Name)
		}
	}
	if len(hosts) == 0 {
		hosts = append(hosts, v.Host)
	}
	return hosts
}
