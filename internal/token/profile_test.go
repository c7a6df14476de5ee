package token

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseProfile(t *testing.T) {
	for _, want := range []Profile{ProfileX5C, ProfileJWKS, ProfileZot} {
		got, err := ParseProfile(string(want))
		assert.Equal(t, want, got)
		require.NoError(t, err)
	}
	for _, s := range []string{"", "X5C", "kid", strings.Repeat("x", 10_000)} {
		got, err := ParseProfile(s)
		require.Empty(t, got, "ParseProfile(%.20q)", s)
		require.ErrorIs(t, err, errInvalidProfile, "ParseProfile(%.20q)", s)
		require.ErrorContains(t, err, "use x5c, jwks or zot")
		assert.LessOrEqual(t, len(err.Error()), 200)
	}
}
