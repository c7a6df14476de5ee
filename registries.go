package dockit

import (
	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/handlers/page"
	"github.com/dockit-registry/dockit/internal/registryclient"
	"github.com/dockit-registry/dockit/internal/registryview"
)

// viewRegistries makes what the page looks at registries with. Nothing is asked
// before somebody looks.
func (a *App) viewRegistries() map[string]page.Registry {
	views := make(map[string]page.Registry)
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
