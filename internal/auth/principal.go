package auth

import (
	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/federation/verifier"
	"github.com/dockit-registry/dockit/store"
	"github.com/dockit-registry/dockit/subject"
)

// Method is how a subject was authenticated.
type Method string

const (
	// ByPassword is a user's password.
	ByPassword Method = "password"
	// ByAccessToken is an access token.
	ByAccessToken Method = "access token"
	// ByRefreshToken is a refresh token.
	ByRefreshToken Method = "refresh token"
	// ByIssuerToken is a token that a trusted issuer signed, for a robot.
	ByIssuerToken Method = "issuer token"
	// BySession is what a robot got for such a token.
	BySession Method = "session"
	// ByPage is the session of a user who signed in at the page with a password. It
	// counts as one.
	ByPage Method = "page"
)

// Principal is a subject that is authenticated.
type Principal struct {
	ID  int64
	Ref subject.Ref
	// Admin opens the admin API. An access token with scopes never does.
	Admin  bool
	Method Method
	// Scopes narrow what the subject may do this time: nothing that is not
	// among them. Without any, it may do all that it may do.
	Scopes []access.Permission
	// Narrow is what the scopes allow, nil without any.
	Narrow *access.Rights
	// Bound is what the binding of a session allows beside the scopes, nil when that
	// is no limit.
	Bound *access.Rights
	// Values are what placeholders in permissions stand for beside {username}: what the
	// binding exposes of the token that the robot logged in with. No other principal has any.
	Values access.Values
	// Credential limits what the subject makes. It is zero for a password that
	// no token set.
	Credential store.Credential
	// Page is the session at the page, nil for another method.
	Page *PageSession

	// passwordHash is what the password was checked against.
	passwordHash string
	// issued is what a token of an issuer was found to be.
	issued *verifier.Login
}

// Issuer is the name of the issuer of a token by which a robot was proved, empty for
// another method.
func (p Principal) Issuer() string {
	if p.issued == nil {
		return ""
	}
	return p.issued.Issuer
}

func principalOf(login store.Login, method Method) Principal {
	p := Principal{
		ID: login.ID, Ref: login.Ref, Admin: login.Admin, Method: method, passwordHash: login.PasswordHash,
	}
	if (method == ByPassword || method == ByPage) && login.PasswordMadeBy != "" {
		p.Credential = store.Credential{ID: login.PasswordMadeBy, Password: true, Limits: login.PasswordLimits}
	}
	return p
}
