package adminapi

import (
	"github.com/dockit-registry/dockit/state"
)

// Plan is what a state document would change, or has changed.
type Plan struct {
	// Tag is absent for a plan that was applied.
	Tag     string         `json:"tag,omitempty" doc:"Stands for what the plan does. Applied with it as If-Match, the document does that or nothing."`
	Changes []state.Change `json:"changes" nullable:"false" doc:"What changes of each subject, users before robots before groups."`
	Created int            `json:"created" doc:"How many subjects, issuers and bindings are made."`
	Updated int            `json:"updated" doc:"How many subjects, issuers and bindings are changed."`
	Removed int            `json:"removed" doc:"How many subjects, issuers and bindings are removed."`
	PlanTrust
}

// PlanTrust is what of a plan is about issuers and bindings.
type PlanTrust struct {
	Issuers  []state.TrustChange `json:"issuers,omitempty" nullable:"false" doc:"What changes of each issuer, by name."`
	Bindings []state.TrustChange `json:"bindings,omitempty" nullable:"false" doc:"What changes of each binding, by name."`
	Warnings []string            `json:"warnings,omitempty" nullable:"false" doc:"What there is to know about whom bindings let in then."`
	// Away is absent for a plan that was not applied.
	Away []AwayIssuer `json:"away,omitempty" nullable:"false" doc:"The issuers that did not answer rightly. They are trusted all the same, and are asked again every minute."`
}

// AwayIssuer is an issuer that does not answer rightly.
type AwayIssuer struct {
	Issuer string `json:"issuer"`
	Why    string `json:"why"`
}
