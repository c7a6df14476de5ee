package cache

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/store"
)

// federationVersion is when the one issuer of the source changed last, as the
// cache knows it.
func (f *fixture) federationVersion() int64 {
	f.Helper()
	found, err := f.Federation(f.Context())
	require.NoError(f, err)
	return found.Issuers[0].Version
}

// TestFederationFollowsItsChanges checks that issuers and bindings come from
// memory, until one of them is changed: here at once, elsewhere within two seconds,
// and that neither a change of theirs nor one of a subject has the other read again.
func TestFederationFollowsItsChanges(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.source.mu.Lock()
		f.source.ids[federation] = store.FederationID
		f.source.mu.Unlock()
		f.source.here(federation, false)
		first := f.federationVersion()
		f.gets("alice", 1)
		assert.Zero(t, f.source.took(federation, func() { f.federationVersion() }), "reads of what did not change")
		f.source.here("alice", false)
		assert.Zero(t, f.source.took(federation, func() { f.federationVersion() }), "reads after a change of a subject")
		f.source.here(federation, false)
		second := f.federationVersion()
		assert.Greater(t, second, first, "the version after a change here")
		f.source.elsewhere(federation, false)
		f.wait(2 * time.Second)
		assert.Greater(t, f.federationVersion(), second, "the version two seconds after a change elsewhere")
	})
}
