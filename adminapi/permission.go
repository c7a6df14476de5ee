package adminapi

import (
	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// Permission is what a subject was given.
type Permission struct {
	Permission access.Permission `json:"permission" example:"repository:team/*:pull,push" doc:"<type>:<name>:<actions>"`
}

// Granted is what a subject has after a grant.
type Granted struct {
	Permission
	// Warnings are about bindings that would be refused now.
	Warnings []string `json:"warnings,omitempty" nullable:"false" doc:"Which bindings let in more now than is likely to be wanted, and what to change."`
	// Effects are there for a dry run alone.
	Effects *Effects `json:"effects,omitempty" doc:"What it would do to whom. Absent: it was done."`
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
	// Effects are there for a dry run alone.
	Effects *Effects `json:"effects,omitempty" doc:"What it would do to whom. Absent: it was done."`
}

// Effects are what granting or revoking a permission would do to whom.
type Effects struct {
	Changes []Effect `json:"changes" nullable:"false" doc:"For those who could do more, or less, then."`
	// Same and Disabled are numbers of users and robots.
	Same     int `json:"same" doc:"For how many users and robots nothing would change, because of other permissions."`
	Disabled int `json:"disabled" doc:"How many users and robots can do nothing anyway, because they or the group are disabled."`
}

// Effect is what some users and robots could do more, or less, with everything that a
// permission is about.
type Effect struct {
	// One of these is empty.
	Gained []string      `json:"gained,omitempty" nullable:"false" example:"[\"push\"]" doc:"Actions that come."`
	Lost   []string      `json:"lost,omitempty" nullable:"false" doc:"Actions that go."`
	Users  int           `json:"users" doc:"For how many users."`
	Robots int           `json:"robots" doc:"For how many robots."`
	Some   []subject.Ref `json:"some" nullable:"false" example:"[\"user:alice\"]" doc:"The first of them by name."`
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
