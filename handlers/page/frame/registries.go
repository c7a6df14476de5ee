package frame

import (
	"net/url"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/internal/registryview"
)

// Registry is the registry of a service, as Dockit finds it and as clients name it.
type Registry struct {
	// Registry is nil where Dockit does not find it.
	*registryview.Registry
	// URL is where Dockit itself finds it, nil where it does not.
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
	case r.Proxied || r.URL == nil:
		return page
	default:
		return r.URL.Host
	}
}

// RegistryHosts are what docker login is given: what clients name the registries of
// services by, or where that is known of none, the host of this page, which may have the
// registry behind it.
func (v *Visit) RegistryHosts() []string {
	var hosts []string
	for _, service := range v.page.Services {
		registry, page := v.page.Registries[service.Name], ""
		if registry.Proxied {
			page = v.Host
		}
		host := registry.ClientHost(service.Name, page)
		if host != "" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		hosts = append(hosts, v.Host)
	}
	return hosts
}
