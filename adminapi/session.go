package adminapi

import (
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// Session is a login of a robot by the token that an issuer signed for a job, which
// lasts for longer than that token. It holds everything but the secret.
type Session struct {
	ID    string      `json:"id" example:"k3v7q2mzx4ta" doc:"The part between the underscores of its secret."`
	Owner subject.Ref `json:"owner" example:"robot:ci"`
	// Kind is access or refresh.
	Kind    string `json:"kind" enum:"access,refresh" doc:"What its secret is: access for a password, which a token exchange gave, refresh for what docker login keeps."`
	Service string `json:"service" doc:"The only registry that it is good for."`
	Issuer  string `json:"issuer" example:"github" doc:"The name of the issuer of the job's token."`
	Binding string `json:"binding" example:"app-main" doc:"The name of the binding that let the job in. The session ends with it."`
	// Scopes are empty without such a limit.
	Scopes []access.Permission `json:"scopes,omitempty" nullable:"false" example:"[\"repository:team/*:pull\"]" doc:"What it may do at most, beside what the binding says. Absent: no other limit."`
	// Claims and Job are written NAME=VALUE.
	Claims          []string  `json:"claims" nullable:"false" example:"[\"repository_id=74\",\"ref=refs/heads/main\"]" doc:"The claims of the token that met the conditions of the binding, NAME=VALUE."`
	Job             []string  `json:"job,omitempty" nullable:"false" example:"[\"repository=octo/app\",\"run_id=1001\"]" doc:"What tells people which job or workload it was, NAME=VALUE."`
	Client          string    `json:"client,omitempty" doc:"The program that logged in, as it calls itself."`
	Address         string    `json:"address,omitempty" doc:"Where it logged in from."`
	CreatedAt       time.Time `json:"created_at"`
	ExpiresAt       time.Time `json:"expires_at"`
	LastUsedAt      time.Time `json:"last_used_at" doc:"When it was used last, up to a minute ago."`
	LastUsedAddress string    `json:"last_used_address,omitempty"`
	LastUsedClient  string    `json:"last_used_client,omitempty"`
}

// RevokedSessions is how many sessions a robot had.
type RevokedSessions struct {
	Revoked int64 `json:"revoked"`
}
