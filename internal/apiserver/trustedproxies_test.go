package apiserver

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTrustedProxiesThatAreRefused(t *testing.T) {
	for value, say := range map[string]string{
		"0.0.0.0/0": "is everybody", "::/0": "is everybody", "nginx": "write the address of a proxy", "": "write the address",
		"10.0.0.0/33": "write the address", "::ffff:10.0.0.0/104": "plain IPv4",
	} {
		o := &Options{TrustedProxies: []string{value}}
		require.ErrorContains(t, o.checkTrustedProxies(), say, value)
	}
	o := &Options{TrustedProxies: []string{"10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "private_ranges", "unix"}}
	require.NoError(t, o.checkTrustedProxies())
}
