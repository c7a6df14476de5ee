package adminapi

import (
	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// Permission is what a subject was given.
type Permission struct {
	Permission access.Permission `json:"permission" example:"repository:team/*:pull,push" doc:"<type>:<name>:<actions>"`
}

// EffectivePermission is what a subject can use, and where it comes from.
type EffectivePermission struct {
	Via        subject.Ref       `json:"via" example:"group:dev" doc:"The subject itself, one of its groups, group:authenticated or user:anonymous."`
	Permission access.Permission `json:"permission" example:"repository:team/*:pull,push" doc:"<type>:<name>:<actions>"`
}

// Near is a permission that does not allow something, but almost.
type Near struct {
	EffectivePermission
	Reason string `json:"reason" doc:"Why it does not allow it."`
}

// Revocation is what a revoked permission leaves behind.
type Revocation struct {
	// Remaining is nil when nothing is left for that type and name.
	Remaining *access.Permission `json:"remaining,omitempty" doc:"What the subject still has for the same type and name."`
}

// Decision answers whether a subject may do something, and why.
type Decision struct {
	Subject subject.Ref `json:"subject"`
	Type    access.Type `json:"type" enum:"repository,registry"`
	Name    string      `json:"name"`
	Actions []string    `json:"actions" nullable:"false" doc:"What was asked."`
	Allowed bool        `json:"allowed" doc:"Whether all of it is allowed."`
	Missing []string    `json:"missing,omitempty" nullable:"false" doc:"Which of the actions nothing allows."`
	// Because lists every permission that allows some of what was asked.
	Because []EffectivePermission `json:"because" nullable:"false" doc:"The permissions that allow some of it."`
	// Nearest is nil when everything is allowed, or nothing is even similar.
	Nearest *Near `json:"nearest,omitempty" doc:"The permission that comes closest without allowing it."`
	// Grant is nil when everything is allowed.
	Grant *access.Permission `json:"grant,omitempty" doc:"What to grant to allow what is missing."`
	// Disabled is set when the subject cannot log in at all.
	Disabled bool `json:"disabled,omitempty" doc:"The subject is disabled, so that nothing counts."`
}
