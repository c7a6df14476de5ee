package adminapi

import (
	"net/netip"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

// AccessToken is a long-lived secret of a user or robot, used as a password. It
// holds everything but the secret.
type AccessToken struct {
	ID    string      `json:"id" example:"k3v7q2mzx4ta" doc:"The part between the underscores of the token."`
	Owner subject.Ref `json:"owner" example:"robot:ci"`
	Name  string      `json:"name" doc:"Unique among the tokens of the owner."`
	// Scopes and Networks are empty for a token without such a limit.
	Scopes    []access.Permission `json:"scopes,omitempty" nullable:"false" example:"[\"repository:team/*:pull\"]" doc:"What the token may do at most, of what its owner may do. Absent: all of that."`
	Networks  []netip.Prefix      `json:"networks,omitempty" nullable:"false" example:"[\"10.0.0.0/8\"]" doc:"Where the token may be used from. Absent: everywhere."`
	CreatedAt time.Time           `json:"created_at"`
	ExpiresAt time.Time           `json:"expires_at,omitzero" doc:"When the token ends. Absent: it does not end by itself."`
	RotatedAt time.Time           `json:"rotated_at,omitzero" doc:"When the secret was replaced last."`
	// PreviousUntil is about the secret before the last rotation.
	PreviousUntil   time.Time `json:"previous_until,omitzero" doc:"How long the secret before the last rotation works."`
	LastUsedAt      time.Time `json:"last_used_at,omitzero" doc:"When the token was used last, up to a minute ago. Absent: never."`
	LastUsedAddress string    `json:"last_used_address,omitempty"`
	LastUsedClient  string    `json:"last_used_client,omitempty" doc:"The program, as it calls itself."`
	MadeBy          string    `json:"made_by,omitempty" example:"q7d2h5nw3mxb" doc:"The id of the access token or refresh token that made it, with which it ends. Absent: it was made with a password."`
}

// NewAccessToken is an access token to be made.
type NewAccessToken struct {
	Name      string              `json:"name,omitempty" maxLength:"128" doc:"[a-z0-9]+([._@-][a-z0-9]+)*, unique among the tokens of the owner. Default: token- and the date, and a number where that is taken."`
	Scopes    []access.Permission `json:"scopes,omitempty" nullable:"false" maxItems:"64" doc:"What the token may do at most. It opens no admin API then. Default: what its owner may do."`
	Networks  []netip.Prefix      `json:"networks,omitempty" nullable:"false" maxItems:"64" doc:"Where the token may be used from. Default: everywhere, or wherever the token may be used that makes it; no others are possible then."`
	ExpiresAt time.Time           `json:"expires_at,omitzero" doc:"When the token ends. Default: as late as is allowed, which is no later than the token that makes it."`
}

// IssuedAccessToken is an access token with its secret, which is shown this
// once.
type IssuedAccessToken struct {
	AccessToken
	Token string `json:"token" doc:"What to use as password. It cannot be read again."`
}

// AccessTokenRotation replaces the secret of an access token.
type AccessTokenRotation struct {
	// Grace is in seconds.
	Grace     int        `json:"grace,omitempty" minimum:"0" maximum:"31536000" doc:"How many seconds the old secret keeps working. Default: none."`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When the token ends from now on. Default: when it does now."`
}

// RefreshToken is what a docker login keeps instead of a password, or a browser that
// is signed in at the page. It holds everything but the secret.
type RefreshToken struct {
	ID string `json:"id" example:"k3v7q2mzx4ta"`
	// Kind is refresh or page.
	Kind    string      `json:"kind" enum:"refresh,page" doc:"What keeps it: refresh for a docker login, page for a browser that is signed in at the page."`
	Owner   subject.Ref `json:"owner" example:"user:alice"`
	Service string      `json:"service" doc:"The registry that was logged in to. Empty at the page."`
	// Client and Address are those of the login.
	Client          string    `json:"client,omitempty" doc:"The program that logged in, as it calls itself."`
	Address         string    `json:"address,omitempty" doc:"Where it logged in from."`
	CreatedAt       time.Time `json:"created_at"`
	ExpiresAt       time.Time `json:"expires_at"`
	LastUsedAt      time.Time `json:"last_used_at" doc:"When the token was used last, up to two minutes ago."`
	LastUsedAddress string    `json:"last_used_address,omitempty"`
	LastUsedClient  string    `json:"last_used_client,omitempty"`
}

// RevokedRefreshTokens is how many refresh tokens a subject had.
type RevokedRefreshTokens struct {
	Revoked int64 `json:"revoked"`
	RevokedToken
}

// RevokedToken is what became of everything that a revoked token had made, and
// what that had made in turn.
type RevokedToken struct {
	Ended []MadeCredential `json:"ended,omitempty" nullable:"false" doc:"What ended with the token, because it was made with it."`
	Kept  []MadeCredential `json:"kept,omitempty" nullable:"false" doc:"What was made with the token and goes on without it."`
	// Cut is set when there is more than the first thousand.
	Cut bool `json:"cut,omitempty" doc:"Whether there is more than is listed: the audit has the number."`
}

// MadeCredential is an access token, or the password of a user, that a token
// made.
type MadeCredential struct {
	// AccessToken and Name are empty for a password.
	AccessToken string      `json:"access_token,omitempty" doc:"The id of an access token. Absent: it is the password of the owner."`
	Name        string      `json:"name,omitempty" doc:"The name of the access token."`
	Owner       subject.Ref `json:"owner" example:"robot:ci"`
}

// Lockout is a place from which wrong passwords came lately.
type Lockout struct {
	// Username is empty for names that no subject has: they may be passwords that
	// were typed into the wrong field, and are not kept.
	Username string    `json:"username,omitempty" doc:"Absent for names that nobody has."`
	Network  string    `json:"network,omitempty" example:"192.0.2.1/32" doc:"The address prefix that the wrong passwords came from."`
	Failures int       `json:"failures" doc:"How many there were lately."`
	LastAt   time.Time `json:"last_at" doc:"When the last of them came."`
	Until    time.Time `json:"until,omitzero" doc:"When the lockout ends. Absent: nobody is locked out yet."`
}

// ClearedLockouts is how many wrong passwords were forgotten.
type ClearedLockouts struct {
	Failures int64 `json:"failures"`
}
