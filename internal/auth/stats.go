package auth

import (
	"maps"
	"sync"
	"time"

	"github.com/dockit-registry/dockit/internal/auth/passwords"
	"github.com/dockit-registry/dockit/internal/federation/verifier"
)

// Stats are numbers for monitoring, as they are now.
type Stats struct {
	// Passwords are those of checking passwords.
	Passwords passwords.Stats
	// Issuers are the trusted issuers that are not disabled.
	Issuers []IssuerStats
	// Refusals counts the refused tokens of issuers since the start.
	Refusals map[IssuerRefusal]uint64
}

// IssuerStats says how fresh is what is known of an issuer.
type IssuerStats struct {
	Name string
	// KeysFetched is when the issuer last answered with its keys, zero before it
	// did and for one that was given with them.
	KeysFetched time.Time
	// AwaySince is when it ceased to answer, zero while it does.
	AwaySince time.Time
}

// IssuerRefusal is why tokens of an issuer were refused.
type IssuerRefusal struct {
	Issuer string
	Reason verifier.Reason
}

// Stats returns the numbers of all Authenticators that share the store. Those of
// issuers are of a moment ago. Do not change them.
func (a *Authenticator) Stats() Stats {
	s := Stats{Passwords: a.passwords.Stats(), Refusals: a.issuers.refusals.all()}
	if listed := a.issuers.listed.Load(); listed != nil {
		s.Issuers = *listed
	}
	return s
}

// ObserveChecks is [passwords.Checker.ObserveChecks].
func (a *Authenticator) ObserveChecks(f func(waited, took time.Duration)) {
	a.passwords.ObserveChecks(f)
}

// refusalCounts counts refused tokens. What it holds is bounded by how many issuers
// there may be: of those that are gone nothing is kept.
type refusalCounts struct {
	mu     sync.Mutex
	counts map[IssuerRefusal]uint64
}

func (c *refusalCounts) add(refused *verifier.Refused) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[IssuerRefusal]uint64)
	}
	c.counts[IssuerRefusal{refused.Issuer, refused.Reason}]++
}

// keep forgets all issuers but those.
func (c *refusalCounts) keep(names map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.counts, func(r IssuerRefusal, _ uint64) bool { return !names[r.Issuer] })
}

func (c *refusalCounts) all() map[IssuerRefusal]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}
