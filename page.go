package dockit

import (
	"github.com/dockit-registry/dockit/handlers/admin"
	"github.com/dockit-registry/dockit/handlers/page"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/version"
)

// newPage makes the page for people. It does what it does by the admin API.
func (a *App) newPage(administration *admin.API, authenticator *auth.Authenticator) (*frame.Handler, error) {
	a.views = a.viewRegistries()
	return page.New(page.Config{
		API:        administration,
		LogIn:      administration.LogIn,
		Sessions:   authenticator,
		Now:        a.database.store.Now,
		Services:   a.endpoints.Services,
		Registries: a.views,
		Rights:     authenticator.Cache().Rights,
		Record:     a.database.store.RecordEvent,
		MaxState:   a.bounds.StateSize,
		Logger:     a.logger.Named("page"),
		Version:    version.Read().Version,
	})
}
