// Package repositories is the room of what registries hold, at the page for people, and of
// who may do what to it.
package repositories

import (
	"context"
	"embed"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/subject"
)

//go:embed templates
var templateFiles embed.FS

var templates = frame.TemplatesOf(templateFiles)

// Rights are what a subject may do, by its id.
type Rights func(ctx context.Context, id int64, ref subject.Ref) (*access.Rights, error)

// Record writes to the audit what is no change in the database.
type Record func(ctx context.Context, event audit.Event) error

// pages are those of the room.
type pages struct {
	*frame.Handler
	rights Rights
	record Record
}

// Add adds the pages of the room.
func Add(to *frame.Handler, rights Rights, record Record) {
	h := &pages{to, rights, record}
	h.AddTemplates(templates)
	h.Get("repositories", h.showRepositories)
	h.Get("repositories/tags", h.showRepository)
	h.Get("repositories/image", h.showImage)
	h.Get("repositories/access", h.showAccess)
	h.Get("repositories/delete", h.showDeletion)
	h.Post("repositories/delete", h.deleteImage)
}
