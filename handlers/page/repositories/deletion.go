package repositories

import (
	"context"
	"encoding/json"
	"time"

	"go.uber.org/zap"

	"github.com/dockit-registry/dockit/audit"
	"github.com/dockit-registry/dockit/handlers/page/frame"
	"github.com/dockit-registry/dockit/internal/auth"
	"github.com/dockit-registry/dockit/internal/registryclient"
	"github.com/dockit-registry/dockit/internal/registryview"
)

// deletionData is what is asked before something is deleted.
type deletionData struct {
	place
	registryview.Deletion
}

func (h *pages) showDeletion(v *frame.Visit) error {
	p, err := h.place(v)
	if err != nil {
		return err
	}
	if !p.HasRegistry {
		return p.unplaced()
	}
	plan, err := p.registry.PlanDeletion(v.Context(), p.viewer, p.Name, v.URL.Query().Get("tag"))
	if err != nil {
		return p.trouble(v, err)
	}
	return v.Render("deletion", "Delete "+p.Name+":"+plan.Tag, deletionData{p, plan})
}

// Unknown reports whether some tags were not looked at.
func (d deletionData) Unknown() bool { return d.Looked < d.Total }

func (h *pages) deleteImage(v *frame.Visit) error {
	p, err := h.place(v)
	if err != nil {
		return err
	}
	if !p.HasRegistry {
		return p.unplaced()
	}
	tag := v.PostFormValue("tag")
	digest, _ := registryclient.ParseDigest(v.PostFormValue("digest"))
	// Who goes away in the middle does not keep it out of the audit.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.Context()), deleteTimeout)
	defer cancel()
	if err := p.registry.Delete(ctx, p.viewer, p.Name, tag, digest); err != nil {
		return p.trouble(v, err)
	}
	h.recordDeletion(v, deletedImage{p.Service, p.Name, tag, digest})
	query := p.query()
	query.Set("done", "image-deleted")
	return v.Redirect("repositories/tags", query)
}

const (
	// deleteTimeout is how long a registry may take to delete, and auditTimeout how long
	// an entry of the audit.
	deleteTimeout = 20 * time.Second
	auditTimeout  = 5 * time.Second
)

// deletedImage is what the audit says of an image that is no more.
type deletedImage struct {
	Service    string                `json:"service"`
	Repository string                `json:"repository"`
	Tag        string                `json:"tag"`
	Digest     registryclient.Digest `json:"digest"`
}

// recordDeletion writes to the audit who deleted an image. The image stays deleted when
// that fails: the log says so.
func (h *pages) recordDeletion(v *frame.Visit, image deletedImage) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.Context()), auditTimeout)
	defer cancel()
	before, err := json.Marshal(image)
	if err == nil {
		event := audit.Event{Action: audit.DeleteImage, Actor: audit.NameOf(v.Viewer.Ref), Before: before}
		if address := auth.OriginOf(v.Context()).Address; address.IsValid() {
			event.Address = address.String()
		}
		err = h.record(ctx, event)
	}
	if err != nil {
		h.Logger.Error("cannot write to the audit", zap.String("action", string(audit.DeleteImage)), zap.Error(err))
	}
}
