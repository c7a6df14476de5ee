package dockit

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dockit-registry/dockit/internal/auth"
)

// TestOriginIsSaidOnce guards that all that counts, limits or writes down where a
// request comes from sees the same address, and none that a client made up.
func TestOriginIsSaidOnce(t *testing.T) {
	for name, tc := range map[string]struct{ peer, forwarded, chosen, want string }{
		"through a proxy":    {"10.0.0.1:4000", "203.0.113.9", "203.0.113.9", "203.0.113.9"},
		"IPv4 in IPv6":       {"10.0.0.1:4000", "::ffff:203.0.113.9", "::ffff:203.0.113.9", "203.0.113.9"},
		"without an address": {"@", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := proxied(t, tc.peer, tc.forwarded, tc.chosen, true, 1)
			r.Header.Set("User-Agent", "docker/29")
			origin := auth.OriginOf(fromClient(r.Context(), r))
			assert.Equal(t, "docker/29", origin.Client)
			if tc.want == "" {
				assert.False(t, origin.Address.IsValid())
				return
			}
			assert.Equal(t, tc.want, origin.Address.String())
		})
	}
}
