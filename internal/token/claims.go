package token

import (
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/dockit-registry/dockit/access"
)

// Claims is the payload of a registry token. Every field is always present.
//
// The dates are seconds since 1970 and the audience is one string, rather than
// the types of the jwt package for them: registries refuse fractions and some
// refuse lists, and what those types write depends on variables that any other
// package in the process may set.
type Claims struct {
	// Issuer is what the registry has as REGISTRY_AUTH_TOKEN_ISSUER.
	Issuer string `json:"iss"`
	// Subject is the name of whoever asked, empty for an anonymous request.
	Subject string `json:"sub"`
	// Audience is what the registry has as REGISTRY_AUTH_TOKEN_SERVICE.
	Audience  string `json:"aud"`
	ExpiresAt int64  `json:"exp"`
	NotBefore int64  `json:"nbf"`
	IssuedAt  int64  `json:"iat"`
	// ID is different in every token.
	ID string `json:"jti"`
	// Access is what the token opens, nothing in the token of a login.
	Access []Access `json:"access"`
}

// Access is what may be done to one resource.
type Access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// accessTo writes granted scopes as claims. It never returns nil, which
// registries would have to read as null.
func accessTo(granted []access.Scope) []Access {
	list := make([]Access, len(granted))
	for i, scope := range granted {
		list[i] = Access{Type: string(scope.Type), Name: scope.Name, Actions: scope.ActionList()}
	}
	return list
}

// GetExpirationTime implements [jwt.Claims].
func (c Claims) GetExpirationTime() (*jwt.NumericDate, error) { return date(c.ExpiresAt), nil }

// GetNotBefore implements [jwt.Claims].
func (c Claims) GetNotBefore() (*jwt.NumericDate, error) { return date(c.NotBefore), nil }

// GetIssuedAt implements [jwt.Claims].
func (c Claims) GetIssuedAt() (*jwt.NumericDate, error) { return date(c.IssuedAt), nil }

// GetIssuer implements [jwt.Claims].
func (c Claims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject implements [jwt.Claims].
func (c Claims) GetSubject() (string, error) { return c.Subject, nil }

// GetAudience implements [jwt.Claims].
func (c Claims) GetAudience() (jwt.ClaimStrings, error) { return jwt.ClaimStrings{c.Audience}, nil }

func date(seconds int64) *jwt.NumericDate { return jwt.NewNumericDate(time.Unix(seconds, 0)) }

// Interface guard
var _ jwt.Claims = Claims{}
