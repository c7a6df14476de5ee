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
		if s.registry == nil {
			continue
		}
		views[s.Name] = page.Registry{
			Registry: registryview.New(registryview.Config{
				Service: s.Name,
				Client:  registryclient.New(*s.registry),
				Tokens:  registryview.NewTokens(a.ring.Ring, a.Issuer, s.Name, s.profile, a.database.store.Now),
				Logger:  a.logger.Named("page").With(zap.String("service", s.Name)),
			}),
			URL:     s.registry.URL,
			Host:    s.Host,
			Proxied: s.Proxied,
		}
	}
	return views
}
