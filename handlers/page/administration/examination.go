package administration

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/registryview"
)

// examineTimeout is how long the registry may take for all that it is asked.
const examineTimeout = 4 * time.Second

// examinationData is what a registry was found to do with tokens.
type examinationData struct {
	registryview.Examination
	Service string
	// Causes are why it may refuse tokens, where nothing that was found says so.
	Causes []string
	// Doctor is the command that looks further.
	Doctor string
}

// Good reports whether nothing was found.
func (d examinationData) Good() bool {
	return !slices.ContainsFunc(d.Findings, func(f registryview.Finding) bool { return !f.OK })
}

// examineRegistry asks the registry of a service, at its address in the configuration
// and at no other.
func (h *pages) examineRegistry(v *frame.Visit) error {
	name := v.PostFormValue("service")
	var pki adminapi.PKI
	if err := v.API(http.MethodGet, "/pki", nil, &pki); err != nil { // which refuses who is no admin
		return err
	}
	at := slices.IndexFunc(pki.Services, func(s adminapi.Service) bool { return s.Name == name })
	registry := h.Registries[name].Registry
	if at < 0 || registry == nil {
		return frame.NotFound("Dockit does not know where the registry of that service is: set --registry, or url in the Caddyfile")
	}
	ctx, cancel := context.WithTimeout(v.Context(), examineTimeout)
	defer cancel()
	data := examinationData{
		Examination: registry.Examine(ctx, frame.BaseURL(v.Request)+"/v2/token"), Service: name,
		Doctor: frame.Command(v.Request, "pki doctor", "--registry", h.registryOf(v, name)),
	}
	if data.Refused {
		keys, err := keysOf(v)
		if err != nil {
			return err
		}
		data.Causes = causes(pki, keys, pki.Services[at])
	}
	return v.Render("examination", "The registry of "+name, data)
}
