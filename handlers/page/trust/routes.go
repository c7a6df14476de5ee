// Package trust is the room of issuers and bindings, at the page for people: whose tokens
// let which jobs in, and what to paste into their pipelines.
package trust

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
	h.AdminGet("issuers", h.showIssuers)
	h.AdminGet("new-issuer/{kind}", h.newIssuer)
	h.AdminUpload("new-issuer/{kind}", maxIssuer, h.trustIssuer)
	h.AdminGet("issuers/{name}", h.showIssuer)
	h.AdminPost("issuers/{name}/refresh", h.refreshIssuer)
	h.AdminPost("issuers/{name}/enable", h.switchIssuer(false, "issuer-enabled"))
	h.AdminPost("issuers/{name}/disable", h.switchIssuer(true, "issuer-disabled"))
	h.AdminGet("issuers/{name}/remove", h.askToRemoveIssuer)
	h.AdminPost("issuers/{name}/remove", h.removeIssuer)
	h.AdminGet("try-token", h.showTrial)
	h.AdminPost("try-token", h.tryToken)
	h.AdminGet("bindings", h.showBindings)
	h.AdminGet("new-binding/{issuer}", h.newBinding)
	h.AdminPost("new-binding/{issuer}", h.makeBinding)
	h.AdminGet("bindings/{name}", h.showBinding)
	h.AdminPost("bindings/{name}/enable", h.switchBinding(false, "binding-enabled"))
	h.AdminPost("bindings/{name}/disable", h.switchBinding(true, "binding-disabled"))
	h.AdminGet("bindings/{name}/remove", h.askToRemoveBinding)
	h.AdminPost("bindings/{name}/remove", h.removeBinding)
}
