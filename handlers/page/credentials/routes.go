// Package credentials is the room of access tokens, at the page for people: those of who
// looks, and the forms in which a new one is shown.
package credentials

import (
	"embed"

	"github.com/dockit-registry/dockit/handlers/page/frame"
)

//go:embed templates
var templateFiles embed.FS

var templates = frame.TemplatesOf(templateFiles)

// pages are those of the room.
type pages struct{ *frame.Handler }

// Add adds the pages of the room.
func Add(to *frame.Handler) {
	h := &pages{to}
	h.AddTemplates(templates)
	h.Get("credentials", h.showCredentials)
	h.Post("credentials", h.makeCredential)
	h.Post("credentials/{id}/end", h.endCredential)
}
