package adminapi

import (
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// Issuer is who is trusted to say who a job or a workload is: an OpenID Connect
// issuer.
type Issuer struct {
	NewIssuer
	// Keys are what it published last.
	Keys      IssuerKeys `json:"keys" doc:"What it published last."`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
	// Version is what the entity tag holds.
	Version int64 `json:"version" doc:"Changes with every change. The entity tag is this number in quotes."`
}

// NewIssuer is an issuer to be trusted.
type NewIssuer struct {
	Name string `json:"name" minLength:"1" maxLength:"128" example:"github" doc:"[a-z0-9]+([._@-][a-z0-9]+)*, unique among issuers."`
	URL  string `json:"url" minLength:"1" maxLength:"512" example:"https://token.actions.githubusercontent.com" doc:"The iss of its tokens, to the byte. Keys are found by discovery below it, unless they are given or have a URL of their own."`
	// Kind knows what the claims mean.
	Kind string `json:"kind,omitempty" enum:"github,gitlab,buildkite,circleci,bitbucket,kubernetes,google,generic" default:"generic" doc:"What sort of issuer it is, and so what its claims mean."`
	// Audiences are good for every service.
	Audiences []string `json:"audiences,omitempty" nullable:"false" maxItems:"16" doc:"What a token must name as aud, for any service. Absent: the service itself, or https:// and the service."`
	JWKSURL   string   `json:"jwks_url,omitempty" maxLength:"512" doc:"Where its keys are, instead of where discovery says."`
	JWKS      string   `json:"jwks,omitempty" maxLength:"32768" doc:"Its keys themselves, a JWK set: nothing is fetched then. Absent in listings."`
	JWKSHost  string   `json:"jwks_host,omitempty" maxLength:"512" doc:"A host beside its own on which the keys may stand that discovery names."`
	CA        string   `json:"ca,omitempty" maxLength:"16384" doc:"Certificates in PEM that alone may vouch for its host. Absent: the authorities of the system. Absent in listings."`
	// BearerFile is read on the server.
	BearerFile string `json:"bearer_file,omitempty" maxLength:"512" doc:"A file on the server with a token of this very issuer, shown to it alone when its keys are fetched."`
	// MaxAge is in seconds.
	MaxAge   int64 `json:"max_age,omitempty" minimum:"0" doc:"How many seconds ago a token may have been issued. Absent: a day."`
	Disabled bool  `json:"disabled,omitempty" doc:"Takes none of its tokens."`
}

// IssuerKeys are the keys of an issuer.
type IssuerKeys struct {
	IDs []string `json:"ids" nullable:"false" doc:"The kid of each that can be used, in order; empty for one without."`
	// Skipped are the keys that are of no use.
	Skipped []string `json:"skipped,omitempty" nullable:"false" doc:"The keys that are passed over, and why."`
	// FetchedAt is zero for keys that were given.
	FetchedAt time.Time `json:"fetched_at,omitzero" doc:"When the issuer said so last. Absent: never, or the keys were given."`
	// AwaySince is zero while the issuer answers.
	AwaySince time.Time `json:"away_since,omitzero" doc:"Since when it does not answer rightly. The keys above count all the same."`
	Away      string    `json:"away,omitempty" doc:"What happened the last time."`
}

// IssuerChange says what to change of an issuer; nil leaves it as it is.
type IssuerChange struct {
	Disabled *bool `json:"disabled,omitempty"`
}

// IssuerRefusal is a token of an issuer that was refused lately. The token is not
// in it.
type IssuerRefusal struct {
	At       time.Time `json:"at"`
	Username string    `json:"username,omitempty" doc:"Who it was shown for; _ for whom it may stand for."`
	Service  string    `json:"service,omitempty"`
	Address  string    `json:"address,omitempty"`
	Client   string    `json:"client,omitempty" doc:"The program, as it calls itself."`
	Binding  string    `json:"binding,omitempty" doc:"The binding that came closest."`
	Reason   string    `json:"reason" doc:"What did not hold."`
}

// Removed is what went together with a robot or an issuer.
type Removed struct {
	Bindings []string `json:"bindings" nullable:"false" doc:"The names of the bindings that went with it."`
}

// TokenTrial asks how a token of an issuer would fare. Nothing is recorded.
type TokenTrial struct {
	Token    string `json:"token" minLength:"1" maxLength:"24578" doc:"The token."`
	Service  string `json:"service,omitempty" maxLength:"255" doc:"The service to log in to. Default: the first that is configured."`
	Username string `json:"username,omitempty" maxLength:"128" example:"ci" doc:"The name of the robot to log in as. Default: _, whichever the token stands for."`
}

// TrialResult says how a token fares, condition by condition.
type TrialResult struct {
	Service string   `json:"service"`
	Issuers []string `json:"issuers" nullable:"false" doc:"The names of the issuers that it may be of, by its iss."`
	// Accepted is set when a login would succeed; then there are Binding, Robot and
	// what it may do.
	Accepted    bool                  `json:"accepted" doc:"Whether a login would succeed."`
	Binding     string                `json:"binding,omitempty" doc:"The binding by which it would."`
	Robot       subject.Ref           `json:"robot,omitzero" example:"robot:ci" doc:"Who it would log in as."`
	Permissions []EffectivePermission `json:"permissions,omitempty" nullable:"false" doc:"What the robot may do."`
	Scopes      []access.Permission   `json:"scopes,omitempty" nullable:"false" doc:"What the login may do of that at most. Absent: all of it."`
	Until       time.Time             `json:"until,omitzero" doc:"When the token ends."`
	// Problems are empty when a login would succeed.
	Problems []TrialProblem `json:"problems" nullable:"false" doc:"What is wrong, and what to do. Empty when a login would succeed."`
	Claims   []TrialClaim   `json:"claims,omitempty" nullable:"false" doc:"What the token says, whether or not it is to be believed."`
	Bindings []TrialBinding `json:"bindings" nullable:"false" doc:"The bindings that may be meant, those first that come closest."`
}

// TrialProblem is something that is wrong with a token.
type TrialProblem struct {
	Reason string `json:"reason" example:"audience" doc:"What sort of problem it is, for programs."`
	Detail string `json:"detail"`
}

// TrialClaim is a claim of a token, by the name that conditions have for it.
type TrialClaim struct {
	Name  string `json:"name" example:"repository_id"`
	Value string `json:"value"`
}

// TrialBinding is how a token fares with a binding.
type TrialBinding struct {
	Name       string           `json:"name"`
	Robot      subject.Ref      `json:"robot" example:"robot:ci"`
	Disabled   bool             `json:"disabled,omitempty"`
	Holds      bool             `json:"holds" doc:"Whether every condition does."`
	Conditions []TrialCondition `json:"conditions" nullable:"false"`
}

// TrialCondition is how a token fares with the conditions on one claim.
type TrialCondition struct {
	Claim   string   `json:"claim"`
	Want    []string `json:"want" nullable:"false" doc:"One of these."`
	Got     string   `json:"got,omitempty" doc:"What the token says. Absent: nothing."`
	Present bool     `json:"present" doc:"Whether the token has the claim."`
	Holds   bool     `json:"holds"`
}
