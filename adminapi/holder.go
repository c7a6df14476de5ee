package adminapi

import (
	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// Holder is a subject that was given something on a repository.
type Holder struct {
	Subject  subject.Ref `json:"subject" example:"group:dev" doc:"Whom the permission was given to: a group stands for its members, group:authenticated for everyone who logged in, user:anonymous for everyone."`
	Disabled bool        `json:"disabled,omitempty" doc:"The subject is disabled, so that this counts for nothing."`
	// Permission may hold {username}: a group gives that to the member only whose name
	// makes it fit.
	Permission access.Permission `json:"permission" example:"repository:team/*:pull,push" doc:"<type>:<name>:<actions>"`
	// Actions are those that it gives, with what they include.
	Actions []string `json:"actions" nullable:"false" doc:"What it allows there, with what that includes: push adds pull."`
}
