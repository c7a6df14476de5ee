package adminapi

import (
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// Binding says which tokens of an issuer stand for a robot.
type Binding struct {
	NewBinding
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Version is what the entity tag holds.
	Version int64 `json:"version" doc:"Changes with every change. The entity tag is this number in quotes."`
	// Warnings are absent in listings.
	Warnings []string `json:"warnings,omitempty" nullable:"false" doc:"What there is to know about whom it lets in, by what the robot may do now. Absent in listings."`
}

// NewBinding is a binding to be made.
type NewBinding struct {
	Name   string      `json:"name" minLength:"1" maxLength:"128" example:"app-main" doc:"[a-z0-9]+([._@-][a-z0-9]+)*, unique among bindings."`
	Issuer string      `json:"issuer" minLength:"1" maxLength:"128" example:"github" doc:"The name of the issuer."`
	Robot  subject.Ref `json:"robot" example:"robot:ci" doc:"Who logs in with such a token."`
	// Claims are written NAME=VALUE.
	Claims []string `json:"claims" nullable:"false" minItems:"1" maxItems:"32" example:"[\"repository_id=74\",\"ref=refs/heads/main\"]" doc:"Conditions, NAME=VALUE: those of one name are alternatives, those of different names must all hold. In a value * stands for characters between two slashes, ** for any number of such parts."`
	// Expose is written NAME=CLAIM.
	Expose []string `json:"expose,omitempty" nullable:"false" maxItems:"8" example:"[\"k8s.namespace=kubernetes.io/namespace\"]" doc:"Claims that permissions of the robot may name, NAME=CLAIM: {NAME}, alone between slashes, stands for what the claim says, as one component."`
	// Scopes are empty for a binding without such a limit.
	Scopes []access.Permission `json:"scopes,omitempty" nullable:"false" maxItems:"64" doc:"What the login may do at most, of what the robot may do. Absent: all of that."`
	// Session is in seconds.
	Session int64 `json:"session,omitempty" minimum:"0" doc:"How many seconds a login may last, 60 to 86400. Absent: six hours."`
	// AllowUnprotected takes the binding as it is.
	AllowUnprotected bool `json:"allow_unprotected,omitempty" doc:"Take it although it lets in more jobs than is likely to be wanted."`
	Disabled         bool `json:"disabled,omitempty" doc:"Lets nobody in."`
}

// BindingChange says what to change of a binding; nil leaves it as it is.
type BindingChange struct {
	Disabled *bool `json:"disabled,omitempty"`
}
