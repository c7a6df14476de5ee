package apiserver

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/internal/settings"
)

// Registry is the URL by which Dockit itself finds the registry of a service, empty
// when that is not known, and whether it is the upstream, which clients reach at the
// host of Dockit.
func (o *Options) Registry(service string) (location string, proxied bool) {
	for _, given := range o.Registries {
		if name, location, _ := cutRegistry(given); name == service {
			return location, false
		}
	}
	// Of several services it would be a guess which one the upstream is, unless the
	// others are known.
	if o.Upstream == "" || len(o.unplaced()) != 1 {
		return "", false
	}
	to, err := parseUpstream(o.Upstream)
	if err != nil {
		return "", false
	}
	return to.url(), true
}

// RegistryHost is what clients name the registry of a service by, empty when that was
// not said.
func (o *Options) RegistryHost(service string) string {
	for _, given := range o.RegistryHosts {
		if name, host, _ := cutRegistry(given); name == service {
			return host
		}
	}
	return ""
}

// unplaced are the services without a --registry.
func (o *Options) unplaced() []string {
	return slices.DeleteFunc(slices.Clone(o.Services), func(service string) bool {
		return slices.ContainsFunc(o.Registries, func(given string) bool {
			name, _, _ := cutRegistry(given)
			return name == service
		})
	})
}

// cutRegistry reads NAME=URL. A name may have any character but that.
func cutRegistry(given string) (name, location string, found bool) {
	return strings.Cut(given, "=")
}

func (o *Options) checkRegistries() error {
	var errs []error
	seen := make(map[string]bool)
	for _, given := range o.Registries {
		name, location, found := cutRegistry(given)
		switch {
		case !found || name == "":
			errs = append(errs, errors.New("--registry: write the service and where its registry is, as registry=http://localhost:5000"))
			continue
		case !slices.Contains(o.Services, name):
			errs = append(errs, fmt.Errorf("--registry: there is no service %q: name one of --service: %s", printable.Clip(name), printable.Some(o.Services)))
		case seen[name]:
			errs = append(errs, fmt.Errorf("--registry: the service %q is given twice", printable.Clip(name)))
		}
		seen[name] = true
		_, err := settings.ParseRegistryURL("--registry "+printable.Clip(name), location)
		errs = append(errs, err)
	}
	for _, given := range o.RegistryHosts {
		name, host, _ := cutRegistry(given)
		if !slices.Contains(o.Services, name) {
			errs = append(errs, fmt.Errorf("--registry-host: there is no service %q: write one of --service and a host, as %s=registry.example.com", printable.Clip(name), o.Services[0]))
			continue
		}
		errs = append(errs, settings.CheckRegistryHost("--registry-host "+printable.Clip(name), host))
	}
	if o.RegistryCAFile != "" {
		_, err := settings.ReadCAFile("--registry-ca-file", o.RegistryCAFile)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
