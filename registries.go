package dockit

import (
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/handlers/page"
	"github.com/dockit-registry/dockit/internal/registryclient"
	"github.com/dockit-registry/dockit/internal/registryview"
)

// registryViews are what the page looks at the registries of services with, by
// the service's name.
type registryViews map[string]page.Registry

// viewRegistries makes them. No registry is asked before a viewer looks.
func (a *App) viewRegistries() registryViews {
	views := make(registryViews)
	for _, s := range a.Services {
		view := page.Registry{Host: s.Host, Proxied: s.Proxied}
		if s.registry != nil {
			view.URL = s.registry.URL
			view.Registry = registryview.New(registryview.Config{
				Service: s.Name,
				Client:  registryclient.New(*s.registry),
				Tokens:  registryview.NewTokens(a.ring.Ring, a.Issuer, s.Name, s.profile, a.database.store.Now),
				Logger:  a.logger.Named("page").With(zap.String("service", s.Name)),
			})
		}
		views[s.Name] = view
	}
	return views
}

// close ends what they do in the background.
func (views registryViews) close() {
	for _, r := range views {
		if r.Registry != nil {
			r.Close()
		}
	}
}
