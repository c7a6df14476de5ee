// Package page is the page for people: HTML that the server makes, and a few lines
// of script that it works without.
//
// It has no authority of its own. Who signs in does so as for the admin API, and
// whatever a page shows or changes is a request to that API, made in this process
// with the rights of who looks.
package page

import (
	"embed"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers"
	"github.com/dockit-registry/dockit/handlers/page/administration"
	"github.com/dockit-registry/dockit/handlers/page/credentials"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/handlers/page/repositories"
	"github.com/dockit-registry/dockit/handlers/page/trust"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/state"
)

// Config is what the page is made of. Everything is needed but Registries, Logger and
// Version.
type Config struct {
	// API is the admin API.
	API http.Handler
	// LogIn proves a person by a name and a password, through the guard, the queue and
	// the audit of the admin API.
	LogIn func(r *http.Request, username, password string) (auth.Principal, *adminapi.Problem)
	// Sessions keep who signed in.
	Sessions frame.Sessions
	// Services are the registries that tokens are issued for.
	Services []handlers.Service
	// Registries are those of services of which it is known where they are, or what
	// clients name them by.
	Registries map[string]Registry
	// Rights are what a subject may do, by its id.
	Rights repositories.Rights
	// Record writes to the audit what is no change in the database.
	Record repositories.Record
	// MaxState is the largest state document that the admin API takes, in bytes.
	// Default: [state.DefaultMaxSize].
	MaxState int64
	// Now is the time that sessions go by.
	Now func() time.Time
	// Logger gets who signs in, and the errors that people do not get to see.
	Logger *zap.Logger
	// Version is shown at the end of each page.
	Version string
}

// Registry is the registry of a service, as Dockit finds it and as clients name it.
type Registry = frame.Registry

//go:embed templates
var templateFiles embed.FS

var templates = frame.TemplatesOf(templateFiles)

// New makes the page with all of its rooms, or says what the configuration lacks.
func New(config Config) (*frame.Handler, error) {
	if config.Rights == nil || config.Record == nil {
		return nil, errors.New("page: rights and the audit are needed")
	}
	if config.MaxState == 0 {
		config.MaxState = state.DefaultMaxSize
	}
	h, err := frame.New(frame.Config{
		API: config.API, LogIn: config.LogIn, Sessions: config.Sessions, Services: config.Services, Registries: config.Registries,
		Now: config.Now, Logger: config.Logger, Version: config.Version,
	})
	if err != nil {
		return nil, err
	}
	h.AddTemplates(templates)
	h.Get("{$}", showHome)
	repositories.Add(h, config.Rights, config.Record)
	credentials.Add(h)
	administration.Add(h, config.MaxState)
	trust.Add(h)
	return h, nil
}
