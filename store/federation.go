package store

import (
	"context"
	"fmt"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/subject"
)

// Federation is everything by which a token that an issuer signed is judged,
// as it is at one moment.
type Federation struct {
	Issuers  []Issuer
	Bindings []Binding
	// Keys are what the issuers published last, by the id of the issuer. Those of
	// another source than the issuer's are of no use.
	Keys map[int64]IssuerKeys
}

// FederationID is the SubjectID of a change of the [Federation] alone. No subject
// has it.
const FederationID int64 = -2

// federated is for changes of issuers, their keys and bindings.
const federated = affected(FederationID)

// Federation reads all issuers and bindings, and the keys that are known.
func (s *Store) Federation(ctx context.Context) (Federation, error) {
	tx, err := s.reader.BeginTx(ctx, s.dialect.Snapshot)
	if err != nil {
		return Federation{}, fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	var f Federation
	if f.Issuers, err = readIssuers(ctx, tx); err != nil || len(f.Issuers) == 0 {
		return f, err
	}
	if f.Bindings, err = readBindings(ctx, tx); err != nil {
		return f, err
	}
	f.Keys, err = readIssuerKeys(ctx, tx)
	return f, err
}

// IssuerKeysNow is [Store.Federation] without bindings: what only the database knows
// is when issuers were asked, and which of them are away.
func (s *Store) IssuerKeysNow(ctx context.Context) (Federation, error) {
	var f Federation
	var err error
	if f.Issuers, err = readIssuers(ctx, s.reader); err != nil || len(f.Issuers) == 0 {
		return f, err
	}
	f.Keys, err = readIssuerKeys(ctx, s.reader)
	return f, err
}

// auditedIssuer is what an audit entry says of an issuer.
type auditedIssuer struct {
	URL       string   `json:"url"`
	Kind      string   `json:"kind"`
	Audiences []string `json:"audiences,omitempty"`
	JWKSURL   string   `json:"jwks_url,omitempty"`
	// JWKS and CA are digests: which it was shows, and it is not read.
	JWKS       string   `json:"jwks,omitempty"`
	JWKSHost   string   `json:"jwks_host,omitempty"`
	CA         string   `json:"ca,omitempty"`
	BearerFile string   `json:"bearer_file,omitempty"`
	MaxAge     string   `json:"max_age,omitempty"`
	Disabled   bool     `json:"disabled"`
	Bindings   []string `json:"bindings,omitempty"`
	Cut        bool     `json:"cut,omitempty"`
	// EndedSessions is how many ended with the change.
	EndedSessions int64 `json:"sessions_ended,omitempty"`
}

func issuerState(i federation.Issuer) auditedIssuer {
	state := auditedIssuer{
		URL: i.URL, Kind: string(i.Kind), Audiences: i.Audiences, JWKSURL: i.JWKSURL, JWKSHost: i.JWKSHost, BearerFile: i.BearerFile, Disabled: i.Disabled,
		JWKS: digestOf(i.JWKS), CA: digestOf(i.CA),
	}
	if i.MaxAge != 0 {
		state.MaxAge = i.MaxAge.String()
	}
	return state
}

// auditedBinding is what an audit entry says of a binding.
type auditedBinding struct {
	Issuer           string                 `json:"issuer"`
	Robot            subject.Ref            `json:"robot"`
	Claims           []federation.Condition `json:"claims"`
	Expose           []federation.Exposure  `json:"expose,omitempty"`
	Scopes           []string               `json:"scopes,omitempty"`
	Session          string                 `json:"session"`
	AllowUnprotected bool                   `json:"allow_unprotected,omitempty"`
	Disabled         bool                   `json:"disabled"`
	// EndedSessions is how many ended with the change.
	EndedSessions int64 `json:"sessions_ended,omitempty"`
}

func bindingState(b federation.Binding) auditedBinding {
	state := auditedBinding{
		Issuer: b.Issuer, Robot: b.Robot, Claims: b.Claims, Expose: b.Expose, Session: b.LongestSession().String(),
		AllowUnprotected: b.AllowUnprotected, Disabled: b.Disabled,
	}
	for _, scope := range b.Scopes {
		state.Scopes = append(state.Scopes, scope.String())
	}
	return state
}

// refreshedKeys is what an audit entry says of the keys of an issuer.
type refreshedKeys struct {
	Keys []string `json:"keys"`
}
