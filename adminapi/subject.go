package adminapi

import (
	"net/netip"
	"time"

	"github.com/dockit-registry/dockit/subject"
)

// Subject is a user, a robot or a group.
type Subject struct {
	Kind subject.Kind `json:"kind" enum:"user,robot,group" doc:"What sort of subject it is."`
	Name string       `json:"name" doc:"Unique among users, robots and groups."`
	// Admin is a user's right to use the admin API.
	Admin bool `json:"admin" doc:"Opens the admin API. Only users have it."`
	// Disabled subjects cannot log in; a disabled group gives its members
	// nothing.
	Disabled    bool `json:"disabled" doc:"A disabled user or robot cannot log in; a disabled group gives its members nothing."`
	HasPassword bool `json:"has_password" doc:"Whether a password is set. Only users have one."`
	// PasswordMadeBy, PasswordNetworks and PasswordExpiresAt are absent for a
	// password that was set by a caller with a password.
	PasswordMadeBy    string         `json:"password_made_by,omitempty" doc:"The id of the token that set the password, with which it ends."`
	PasswordNetworks  []netip.Prefix `json:"password_networks,omitempty" nullable:"false" doc:"Where the password may be used from, because that token may be used from there only."`
	PasswordExpiresAt time.Time      `json:"password_expires_at,omitzero" doc:"When the password ends, because that token does."`
	// BuiltIn subjects take permissions and nothing else.
	BuiltIn   bool      `json:"built_in" doc:"Exists in every Dockit and takes permissions only."`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Version is what the entity tag holds: it changes with the subject.
	Version int64 `json:"version" doc:"Changes with every change of the subject itself. The entity tag is this number in quotes."`
}

// Ref is the reference to the subject, such as user:alice.
func (s Subject) Ref() subject.Ref { return subject.Ref{Kind: s.Kind, Name: s.Name} }

// NewUser is a user to be made.
type NewUser struct {
	Name string `json:"name" minLength:"1" maxLength:"128" doc:"[a-z0-9]+([._@-][a-z0-9]+)*, not taken by any user, robot or group."`
	// Password and PasswordHash exclude each other. A user with neither cannot
	// log in before a password is set.
	Password     string `json:"password,omitempty" maxLength:"1024" doc:"12 to 1024 bytes. One that is set by a token is good no longer than it, and nowhere else."`
	PasswordHash string `json:"password_hash,omitempty" maxLength:"512" doc:"A bcrypt or argon2id hash brought from elsewhere, instead of a password."`
	Admin        bool   `json:"admin,omitempty" doc:"Opens the admin API."`
	Disabled     bool   `json:"disabled,omitempty"`
}

// NewSubject is a robot or a group to be made.
type NewSubject struct {
	Name     string `json:"name" minLength:"1" maxLength:"128" doc:"[a-z0-9]+([._@-][a-z0-9]+)*, not taken by any user, robot or group."`
	Disabled bool   `json:"disabled,omitempty"`
}

// SubjectChange says what to change of a subject; nil leaves a property as it
// is.
type SubjectChange struct {
	Admin    *bool `json:"admin,omitempty" doc:"Only users can be admins."`
	Disabled *bool `json:"disabled,omitempty"`
}

// PasswordChange is a user's new password.
type PasswordChange struct {
	Password string `json:"password" minLength:"1" maxLength:"1024" doc:"12 to 1024 bytes."`
}
