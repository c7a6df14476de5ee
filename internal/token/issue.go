package token

import (
	"crypto/rand"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/pki"
)

const (
	// MinTTL is the shortest life of a token. Clients take anything shorter
	// for a minute.
	MinTTL = time.Minute

	// backdating makes a token valid for registries whose clocks are behind.
	// zot allows no leeway of its own.
	backdating = 10 * time.Second
)

// Request is what goes into a token.
type Request struct {
	// Issuer is what the registry has as REGISTRY_AUTH_TOKEN_ISSUER.
	Issuer string
	// Service is what it has as REGISTRY_AUTH_TOKEN_SERVICE.
	Service string
	// Profile is how the token names its key.
	Profile Profile
	// Subject is the name of whoever asked, empty for an anonymous request.
	Subject string
	// Access is what was granted.
	Access []access.Scope
	// Now is the time by which the token is issued. Default: by the clock of this
	// machine.
	Now time.Time
	// TTL is how long the token is valid, in whole seconds. Less than
	// [MinTTL] means that.
	TTL time.Duration
}

// Issued is a signed token and what a client is told about it.
type Issued struct {
	// Token is the JWT in its compact form.
	Token string
	// IssuedAt is now, in UTC and without a fraction of a second, so that it
	// is never ahead of real time.
	IssuedAt time.Time
	// ExpiresIn is the number of seconds from IssuedAt to the end of the
	// token, at least 60.
	ExpiresIn int
}

// Issue makes and signs a token that is valid from now.
func Issue(key *pki.SigningKey, request Request) (Issued, error) {
	now := request.Now
	if now.IsZero() {
		now = time.Now()
	}
	now = now.UTC().Truncate(time.Second)
	ttl := max(request.TTL, MinTTL).Truncate(time.Second)
	start := now.Add(-backdating).Unix()
	signed, err := sign(key, request.Profile, Claims{
		Issuer:    request.Issuer,
		Subject:   request.Subject,
		Audience:  request.Service,
		ExpiresAt: now.Add(ttl).Unix(),
		NotBefore: start,
		IssuedAt:  start,
		ID:        rand.Text(),
		Access:    accessTo(request.Access),
	})
	if err != nil {
		return Issued{}, err
	}
	return Issued{Token: signed, IssuedAt: now, ExpiresIn: int(ttl / time.Second)}, nil
}
