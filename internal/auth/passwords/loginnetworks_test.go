package passwords

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestNetworksAreRemembered guards that a network counts as one of users from the login on, before the store has it, and not for
// ever without.
func TestNetworksAreRemembered(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		address := netip.MustParseAddr(home)
		known := func() bool { return f.networks.source(t.Context(), address).known }
		assert.False(t, known())
		f.accepted("alice", secret, home)
		assert.True(t, known())
		time.Sleep(knownFor + time.Second)
		assert.False(t, known(), "the store has nothing of it")
		f.record()
		time.Sleep(unknownFor + time.Second)
		assert.True(t, known(), "the store has it")
	})
}
