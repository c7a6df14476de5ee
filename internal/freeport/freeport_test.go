package freeport

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNext(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		port, err := Next(t.Context())
		require.NoError(t, err)
		require.False(t, seen[port])
		require.GreaterOrEqual(t, port, first)
		require.LessOrEqual(t, port, last)
		seen[port] = true
	}
}
