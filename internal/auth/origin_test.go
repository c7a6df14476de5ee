package auth

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOrigin(t *testing.T) {
	for _, tc := range []struct {
		name, address, client string
		network, wantAddress  string
		wantClient            string
	}{
		{"IPv4", "192.0.2.1", "docker/29.0 go/go1.26", "192.0.2.1/32", "192.0.2.1", "docker/29.0 go/go1.26"},
		{"IPv6", "2001:db8:1:2:3:4:5:6", "skopeo", "2001:db8:1:2::/64", "2001:db8:1:2:3:4:5:6", "skopeo"},
		{"IPv4 in IPv6", "::ffff:192.0.2.1", "", "192.0.2.1/32", "192.0.2.1", ""},
		{"zone", "fe80::1%eth0", "", "fe80::/64", "fe80::1", ""},
		{"unknown", "", "", "", "", ""},
		{"escape sequences", "", "\x1b[31mred\x1b[0m\r\n", "", "", "[31mred[0m"},
		{"not UTF-8", "", "a\xffb", "", "", "ab"},
		{"long", "", strings.Repeat("x", 500), "", "", strings.Repeat("x", 100)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var address netip.Addr
			if tc.address != "" {
				address = netip.MustParseAddr(tc.address)
			}
			o := OriginOf(WithOrigin(t.Context(), Origin{Address: address, Client: tc.client}))
			assert.Equal(t, tc.network, o.Network())
			assert.Equal(t, tc.wantAddress, o.address())
			assert.Equal(t, tc.wantClient, o.Client)
		})
	}
	assert.Equal(t, Origin{}, OriginOf(t.Context()), "without an origin")
}
