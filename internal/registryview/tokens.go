package registryview

import (
	"fmt"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/internal/token"
	"github.com/dockit-registry/dockit/pki"
)

// Keys hold what signs the tokens of each service: a [pki.Ring].
type Keys interface {
	SigningKey(service string) (*pki.SigningKey, error)
}

// Tokens make the tokens by which one registry is asked. They go nowhere else, and
// live as short as tokens do.
type Tokens struct {
	keys    Keys
	service string
	zot     bool
	issuer  *token.Issuer
	now     func() time.Time
}

// NewTokens makes the tokens of a service, by the clock that its others are made by.
func NewTokens(keys Keys, issuer, service string, profile token.Profile, now func() time.Time) *Tokens {
	return &Tokens{
		keys: keys, service: service, zot: profile == token.ProfileZot, now: now,
		issuer: token.NewIssuer(token.Config{Issuer: issuer, Service: service, Profile: profile, TTL: token.MinTTL, Share: true}),
	}
}

// forViewer makes one that opens a repository for the viewer, or returns
// [ErrNotAllowed].
func (t *Tokens) forViewer(v Viewer, repository string, actions access.Actions) (string, error) {
	scope, err := v.scope(repository, actions)
	if err != nil {
		return "", err
	}
	return t.sign(v.Name, scope)
}

// forCatalog makes one that lists the names of repositories, and opens nothing.
func (t *Tokens) forCatalog() (string, error) {
	if t.zot {
		return t.sign("", access.Scope{Type: access.Repository, Actions: access.Pull})
	}
	return t.sign("", access.Scope(access.Catalog))
}

// forNothing makes one that opens nothing.
func (t *Tokens) forNothing() (string, error) { return t.sign("") }

func (t *Tokens) sign(subject string, scopes ...access.Scope) (string, error) {
	key, err := t.keys.SigningKey(t.service)
	if err != nil {
		return "", fmt.Errorf("sign a token for the registry of service %q: %w", t.service, err)
	}
	issued, err := t.issuer.Issue(key, token.Request{Subject: subject, Access: scopes, Now: t.now()})
	if err != nil {
		return "", fmt.Errorf("sign a token for the registry of service %q: %w", t.service, err)
	}
	return issued.Token, nil
}
